package blob

import "context"

type Bucket struct{}

func (*Bucket) ReadAll(ctx context.Context, key string) ([]byte, error) { return nil, nil }
func (*Bucket) IsAccessible(ctx context.Context) (bool, error)          { return true, nil }
