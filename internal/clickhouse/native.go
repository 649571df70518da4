package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	driverapi "github.com/ClickHouse/clickhouse-go/v2"
)

// nativeInserter inserts ready blocks over ClickHouse's native protocol. The driver cannot: it takes rows or typed columns
// there, and both lose time, and the order of maps.
type nativeInserter struct {
	opt  *driverapi.Options
	idle chan *ch.Client
}

// nativeConns is the number of connections kept for inserts.
const nativeConns = 2

func newNativeInserter(opt *driverapi.Options) *nativeInserter {
	return &nativeInserter{opt: opt, idle: make(chan *ch.Client, nativeConns)}
}

// insert sends the block as one data packet, which the server stores as one block.
func (n *nativeInserter) insert(ctx context.Context, head, token string, block []byte) error {
	columns, err := splitBlock(block)
	if err != nil {
		return err
	}
	client, err := n.connection(ctx)
	if err != nil {
		return err
	}
	input := make(proto.Input, len(columns))
	for i := range columns {
		input[i] = proto.InputColumn{Name: columns[i].name, Data: &columns[i]}
	}
	err = client.Do(ctx, ch.Query{
		Body:     head + " VALUES",
		Input:    input,
		Settings: []ch.Setting{{Key: "insert_deduplication_token", Value: token, Important: true}},
	})
	if err != nil {
		_ = client.Close()
		return exception(err)
	}
	select {
	case n.idle <- client:
	default:
		_ = client.Close()
	}
	return nil
}

// connection returns an idle connection that still answers, or dials each address in turn.
func (n *nativeInserter) connection(ctx context.Context) (*ch.Client, error) {
	for {
		select {
		case c := <-n.idle:
			if !c.IsClosed() && c.Ping(ctx) == nil {
				return c, nil
			}
			_ = c.Close()
			continue
		default:
		}
		var errs []error
		for _, address := range n.opt.Addr {
			c, err := ch.Dial(ctx, n.options(address))
			if err == nil {
				return c, nil
			}
			errs = append(errs, fmt.Errorf("connect to %q: %w", address, exception(err)))
		}
		return nil, errors.Join(errs...)
	}
}

// options says in ch-go's words what the driver's options say.
func (n *nativeInserter) options(address string) ch.Options {
	o := ch.Options{
		Address: address, Database: n.opt.Auth.Database, User: n.opt.Auth.Username, Password: n.opt.Auth.Password,
		TLS: n.opt.TLS, DialTimeout: n.opt.DialTimeout, ClientName: "loadline",
		ReadTimeout: time.Second, // how often a waiting client looks whether its context has ended, no more
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = dialWait
	}
	if n.opt.DialContext != nil {
		o.Dialer = dialer(n.opt.DialContext)
	}
	if c := n.opt.Compression; c != nil {
		o.Compression = map[driverapi.CompressionMethod]ch.Compression{
			driverapi.CompressionLZ4: ch.CompressionLZ4, driverapi.CompressionLZ4HC: ch.CompressionLZ4HC, driverapi.CompressionZSTD: ch.CompressionZSTD,
		}[c.Method]
		o.CompressionLevel = ch.CompressionLevel(max(0, c.Level))
	}
	for key, value := range n.opt.Settings {
		o.Settings = append(o.Settings, ch.Setting{Key: key, Value: fmt.Sprint(value), Important: true})
	}
	return o
}

type dialer func(ctx context.Context, address string) (net.Conn, error)

// DialContext dials as the driver's options say.
func (d dialer) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	return d(ctx, address)
}

func (n *nativeInserter) close() error {
	for {
		select {
		case c := <-n.idle:
			_ = c.Close()
		default:
			return nil
		}
	}
}

// exception turns ch-go's exception into the driver's, so that callers meet one kind.
func exception(err error) error {
	var e *ch.Exception
	if !errors.As(err, &e) {
		return err
	}
	return &Exception{Code: int32(e.Code), Name: e.Name, Message: e.Message, StackTrace: e.Stack}
}

// Type is the column's type as the block has it.
func (c *blockColumn) Type() proto.ColumnType { return proto.ColumnType(c.typ) }

// Rows is the number of rows of the block.
func (c *blockColumn) Rows() int { return c.rows }

// EncodeColumn appends the column as it is: Native on disk and on the wire are the same bytes.
func (c *blockColumn) EncodeColumn(b *proto.Buffer) { b.PutRaw(c.data) }

// WriteColumn sends the column without copying it.
func (c *blockColumn) WriteColumn(w *proto.Writer) { w.ChainWrite(c.data) }

// Infer is told the type of the table's column, and refuses another one: the server would read the bytes wrongly.
func (c *blockColumn) Infer(t proto.ColumnType) error {
	if want := plainType(string(t)); plainType(c.typ) != want {
		return fmt.Errorf("block has type %q, the table %q", c.typ, t)
	}
	return nil
}

// plainType removes what does not change the bytes of a type: blanks, and SimpleAggregateFunction around it.
func plainType(t string) string {
	t = strings.ReplaceAll(t, " ", "")
	for {
		i := strings.Index(t, "SimpleAggregateFunction(")
		if i < 0 {
			return t
		}
		inner := t[i+len("SimpleAggregateFunction("):]
		end := closing(inner)
		_, arg, _ := strings.Cut(inner[:end], ",")
		t = t[:i] + arg + inner[min(end+1, len(inner)):]
	}
}
