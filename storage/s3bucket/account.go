// Package s3bucket keeps buckets of package storage in S3, or in what speaks
// its protocol. It is the home of the AWS SDK.
package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"

	"github.com/partywall/partywall/storage"
)

var (
	_ storage.Maker  = (*Account)(nil)
	_ storage.Putter = (*Account)(nil)
	_ storage.Copier = (*Account)(nil)
)

// Account is an account of S3, reached by a client that the host has made. All
// methods may be called at any time from any goroutine.
//
// How often a request is tried again, and how long it may take, is the client's
// affair; what fails after that comes back as it is, and nothing was half done:
// S3 shows a file whole or not at all.
type Account struct {
	client *s3.Client
	opts   Options

	largest, partSize int64
}

// Options are what [New] may be told. The zero value, and nil, are good.
type Options struct {
	// Region is where new buckets are made, "eu-central-1". Defaults to the
	// client's own.
	Region string
	// Bucket is what s3blob may be told. Defaults to nothing.
	Bucket s3blob.Options
}

// New returns the account that client reaches. It dials nothing. opts may be
// nil.
func New(client *s3.Client, opts *Options) *Account {
	a := &Account{client: client, largest: largest, partSize: partSize}
	if opts != nil {
		a.opts = *opts
	}
	if a.opts.Region == "" {
		a.opts.Region = client.Options().Region
	}
	return a
}

// Open implements [storage.Account]. A bucket that is not there is found out by
// its first use.
func (a *Account) Open(ctx context.Context, bucket string) (*blob.Bucket, error) {
	opts := a.opts.Bucket
	return s3blob.OpenBucket(ctx, a.client, bucket, &opts)
}

// Create implements [storage.Maker]. It fails for a bucket of somebody else's.
func (a *Account) Create(ctx context.Context, bucket string) error {
	in := &s3.CreateBucketInput{Bucket: aws.String(bucket)}
	if a.opts.Region != "" && a.opts.Region != "us-east-1" { // which must not be named
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(a.opts.Region),
		}
	}
	_, err := a.client.CreateBucket(ctx, in)
	var (
		mine  *types.BucketAlreadyOwnedByYou
		taken *types.BucketAlreadyExists
	)
	switch {
	case err == nil, errors.As(err, &mine):
		return nil
	case errors.As(err, &taken): // what some servers say of one's own too
		if ours, listErr := a.owns(ctx, bucket); ours || listErr != nil {
			return listErr
		}
	}
	return fmt.Errorf("s3bucket: making bucket %q: %w", bucket, err)
}

// owns reports whether the bucket is among those of the account.
func (a *Account) owns(ctx context.Context, bucket string) (bool, error) {
	pages := s3.NewListBucketsPaginator(a.client, &s3.ListBucketsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, fmt.Errorf("s3bucket: looking for bucket %q: %w", bucket, err)
		}
		for _, b := range page.Buckets {
			if aws.ToString(b.Name) == bucket {
				return true, nil
			}
		}
	}
	return false, nil
}

// SignPut implements [storage.Putter]. s3blob refuses what the SDK can do by now.
func (a *Account) SignPut(ctx context.Context, bucket, name, contentType string, life time.Duration) (string, error) {
	signed, err := s3.NewPresignClient(a.client, s3.WithPresignExpires(life)).PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(escaped(name)), ContentType: aws.String(contentType),
	})
	if err != nil {
		return "", fmt.Errorf("s3bucket: signing: %w", err)
	}
	return signed.URL, nil
}

// Remove implements [storage.Maker]. It fails for a bucket that has files.
func (a *Account) Remove(ctx context.Context, bucket string) error {
	_, err := a.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(bucket)})
	var missing *types.NoSuchBucket
	var coded interface{ ErrorCode() string }
	if err != nil && !errors.As(err, &missing) && (!errors.As(err, &coded) || coded.ErrorCode() != "NoSuchBucket") {
		return fmt.Errorf("s3bucket: removing bucket %q: %w", bucket, err)
	}
	return nil
}
