package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"

	"github.com/partywall/partywall/internal/s3server"
	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/filebucket"
	"github.com/partywall/partywall/storage/s3bucket"
	"github.com/partywall/partywall/storage/storagetest"
	"github.com/partywall/partywall/tenant"
)

// fileSize is what is put and got.
const fileSize = 1 << 20

// measureFiles measures putting and getting a file of 1 MiB through the wall,
// beside gocloud's own bucket, in a folder and on an S3 server.
func (s *settings) measureFiles(ctx context.Context, r *report) (err error) {
	folder, err := os.MkdirTemp("", "partywall-bench-")
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	server, err := s3server.Start(ctx)
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	defer func() { err = errors.Join(err, server.Stop(context.WithoutCancel(ctx))) }()
	local, err := filebucket.New(folder, nil)
	if err != nil {
		return err
	}
	remote := s3bucket.New(s3.New(s3.Options{
		BaseEndpoint: aws.String(server.URL()), UsePathStyle: true, Region: s3server.Region,
		Credentials: credentials.NewStaticCredentialsProvider(s3server.AccessKey, s3server.SecretKey, ""),
	}), nil)
	var benches []*bench
	for name, account := range map[string]storage.Maker{"folder": local, "S3": remote} {
		more, err := fileBenches(ctx, name, account, s.only)
		if err != nil {
			return fmt.Errorf("files: %s: %w", name, err)
		}
		benches = append(benches, more...)
	}
	r.Files, err = measure(ctx, benches, s.files, filesInBurst)
	return err
}

const filesInBurst = 20

// fileBenches are the ways to put and to get on one account.
func fileBenches(ctx context.Context, transport string, account storage.Maker, only string) ([]*bench, error) {
	if err := account.Create(ctx, storagetest.SharedBucket); err != nil {
		return nil, err
	}
	plain, err := account.Open(ctx, storagetest.SharedBucket)
	if err != nil {
		return nil, err
	}
	catalog := &storagetest.Catalog{}
	who := catalog.Add("acme", 1, "main")
	put := &bench{transport: transport, statement: "put 1 MiB"}
	get := &bench{transport: transport, statement: "get 1 MiB"}
	add := func(name string, ctx context.Context, b *blob.Bucket) {
		content := bytes.Repeat([]byte("partywall"), fileSize/9+1)[:fileSize]
		into := make([]byte, fileSize)
		key := "bench/" + strings.ReplaceAll(name, " ", "-")
		put.ways = append(put.ways, &way{name: name, run: func(int) error {
			//scopecheck:allow the raw bucket is what the wall is compared with
			return b.WriteAll(ctx, key, content, &blob.WriterOptions{ContentType: "text/plain"})
		}})
		get.ways = append(get.ways, &way{name: name, run: func(int) error { return fetch(ctx, b, key, into) }})
	}
	add("gocloud", ctx, plain)
	add("gocloud again", ctx, plain)
	inside := tenant.NewContext(ctx, who)
	for _, w := range []struct {
		name string
		opts *storage.Options
	}{
		{"walled", nil},
		{"walled, quota", &storage.Options{Quota: func(tenant.Tenant) storage.Quota { return storage.Quota{Bytes: 1 << 40} }}},
		{"walled, encrypted", &storage.Options{Keys: storagetest.Keys{}}},
	} {
		buckets, err := storage.New(catalog, storage.Stores{"main": {Account: account, Shared: storagetest.SharedBucket}}, w.opts)
		if err != nil {
			return nil, err
		}
		b, err := buckets.Open(inside)
		if err != nil {
			return nil, err
		}
		add(w.name, inside, b)
	}
	for _, w := range put.ways { // what is got has to be there
		if err := w.run(0); err != nil {
			return nil, err
		}
	}
	var kept []*bench
	for _, b := range []*bench{put, get} {
		if b.keep(only) {
			kept = append(kept, b)
		}
	}
	return kept, nil
}

// fetch reads a file into memory that is there already: to make it anew would
// have the collector drown what is measured.
func fetch(ctx context.Context, b *blob.Bucket, key string, into []byte) error {
	in, err := b.NewReader(ctx, key, nil)
	if err != nil {
		return err
	}
	_, err = io.ReadFull(in, into)
	return errors.Join(err, in.Close())
}
