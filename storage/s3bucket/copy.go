package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// largest is how many bytes CopyObject copies; larger objects are copied in
	// parts.
	largest = 5 << 30
	// partSize lets ten thousand parts, which is the most, make the largest
	// object that there can be.
	partSize = 1 << 30
)

// CopyLarge implements [storage.Copier]: an object of more than 5 GiB is copied
// part by part, within the store. Who replaces it meanwhile makes that fail.
func (a *Account) CopyLarge(ctx context.Context, bucket, dst, src string, failed error) error {
	var coded interface{ ErrorCode() string }
	if !errors.As(failed, &coded) || coded.ErrorCode() != "InvalidRequest" && coded.ErrorCode() != "EntityTooLarge" {
		return failed
	}
	head, err := a.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String(escaped(src))})
	if err != nil || aws.ToInt64(head.ContentLength) <= a.largest {
		return failed
	}
	up, err := a.client.CreateMultipartUpload(ctx, a.like(bucket, dst, head))
	if err != nil {
		return fmt.Errorf("s3bucket: copying a large object: %w", err)
	}
	parts, err := a.copyParts(ctx, up, src, head)
	if err == nil {
		_, err = a.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
	}
	if err != nil {
		_, abortErr := a.client.AbortMultipartUpload(context.WithoutCancel(ctx), &s3.AbortMultipartUploadInput{
			Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId,
		})
		return fmt.Errorf("s3bucket: copying a large object: %w", errors.Join(err, abortErr))
	}
	return nil
}

// like begins an object of which all is said that is said of another.
func (a *Account) like(bucket, name string, head *s3.HeadObjectOutput) *s3.CreateMultipartUploadInput {
	in := &s3.CreateMultipartUploadInput{
		Bucket: aws.String(bucket), Key: aws.String(escaped(name)),
		CacheControl: head.CacheControl, ContentDisposition: head.ContentDisposition, ContentEncoding: head.ContentEncoding,
		ContentLanguage: head.ContentLanguage, ContentType: head.ContentType, Metadata: head.Metadata,
		ServerSideEncryption: a.opts.Bucket.EncryptionType,
	}
	if a.opts.Bucket.KMSEncryptionID != "" {
		in.SSEKMSKeyId = aws.String(a.opts.Bucket.KMSEncryptionID)
	}
	return in
}

// copyParts copies all parts, one after another.
func (a *Account) copyParts(ctx context.Context, up *s3.CreateMultipartUploadOutput, src string, head *s3.HeadObjectOutput) ([]types.CompletedPart, error) {
	var parts []types.CompletedPart
	source := url.QueryEscape(aws.ToString(up.Bucket) + "/" + escaped(src))
	size := aws.ToInt64(head.ContentLength)
	for begin := int64(0); begin < size; begin += a.partSize {
		number := aws.Int32(int32(len(parts)) + 1) //nolint:gosec // G115: ten thousand at most
		out, err := a.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: number,
			CopySource: aws.String(source), CopySourceIfMatch: head.ETag,
			CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", begin, min(begin+a.partSize, size)-1)),
		})
		if err != nil {
			return nil, err
		}
		if out.CopyPartResult == nil {
			return nil, errors.New("a part was answered without its ETag")
		}
		parts = append(parts, types.CompletedPart{PartNumber: number, ETag: out.CopyPartResult.ETag})
	}
	return parts, nil
}

// escaped is what s3blob calls an object, of the names that there can be.
func escaped(name string) string { return strings.ReplaceAll(name, "../", "..__0x2f__") }
