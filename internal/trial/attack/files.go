package main

import (
	"context"
	"errors"
	"net/http/httptest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/s3bucket"
	"github.com/partywall/partywall/storage/storagetest"
)

// fileCases attack files, on a store of their own: what PostgreSQL is used for
// makes no difference to them.
func fileCases() []Case {
	var all []Case
	for _, a := range storagetest.Attacks() {
		all = append(all, Case{ID: a.ID, Name: a.Name, On: onNaive, Control: filing(a), Attack: filing(a)})
	}
	return all
}

// filing plays an attack on files, on a host with the wall or one without.
func filing(a storagetest.Attack) Attack {
	return func(ctx context.Context, s *scene) (err error) {
		server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
		defer server.Close()
		h, err := storagetest.Build(ctx, s3bucket.New(s3.New(s3.Options{
			BaseEndpoint: aws.String(server.URL), UsePathStyle: true, Region: "us-east-1",
			Credentials: credentials.NewStaticCredentialsProvider("attack", "attack", ""),
		}), nil))
		if err != nil {
			return err
		}
		host, end, err := s.host(ctx, h)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
		there, err := storagetest.NewScene(ctx, host, h)
		if err != nil {
			return err
		}
		there.Redirect = redirect
		if breach := a.Play(ctx, there); breach != "" {
			s.findf("%s", breach)
		}
		return nil
	}
}

// host is what serves files: behind the wall, or as one writes it at first.
func (s *scene) host(ctx context.Context, h *storagetest.House) (storagetest.Host, func() error, error) {
	if !s.wall {
		b, err := h.Account.Open(ctx, storagetest.SharedBucket)
		if err != nil {
			return nil, nil, err
		}
		return storagetest.Naive{Bucket: b}, b.Close, nil
	}
	b, err := storage.New(h.Catalog, storage.Stores{
		"main":    {Account: h.Account, Shared: storagetest.SharedBucket, Region: "earth"},
		"nowhere": {Account: h.Account, Shared: storagetest.SharedBucket},
	}, nil)
	if err != nil {
		return nil, nil, err
	}
	return storagetest.Walled{Buckets: b}, b.Close, nil
}

// redirect has S3's request, if it is shown one, ask for another file.
func redirect(as func(any) bool, name string) bool {
	var in *s3.GetObjectInput
	shown := as(&in)
	if in != nil {
		in.Key = &name
	}
	return shown
}
