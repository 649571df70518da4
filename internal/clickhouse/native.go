package clickhouse

import (
	"context"
	"errors"

	driverapi "github.com/ClickHouse/clickhouse-go/v2"
)

type nativeInserter struct{ opt *driverapi.Options }

func newNativeInserter(opt *driverapi.Options) *nativeInserter { return &nativeInserter{opt} }

func (n *nativeInserter) insert(ctx context.Context, head, token string, block []byte) error {
	return errors.New("native protocol")
}

func (n *nativeInserter) close() error { return nil }
