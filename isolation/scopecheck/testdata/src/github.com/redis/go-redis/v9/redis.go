package redis

import "context"

type UniversalClient interface {
	Get(ctx context.Context, key string) string
}

type cmdable func()

func (cmdable) Get(ctx context.Context, key string) string { return "" }
func (cmdable) Ping(ctx context.Context) error             { return nil }

type Client struct{ cmdable }

func (*Client) TxPipeline() any { return nil }
func (*Client) Close() error    { return nil }
