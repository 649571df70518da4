package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	chproto "github.com/ClickHouse/ch-go/proto"
	driverapi "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"github.com/google/go-cmp/cmp"

	"loadline/internal/chdb"
)

// everyType has each kind of column that our tables have, and some more.
const everyType = `SELECT
	toUInt8(number) AS u8, toDateTime(number, 'UTC') AS at, toDateTime64(number, 9, 'UTC') AS nano, toFixedString(toString(number %% 10), 1) AS fixed,
	toLowCardinality(toString(number %% 300)) AS lc, toLowCardinality(toNullable(if(number %% 3 = 0, NULL, 'x'))) AS lcn, toNullable(toString(number)) AS n,
	CAST(number %% 2, 'Enum8(\'a, (b\' = 0, \'c\' = 1)') AS e, number %% 2 = 0 AS b, toFloat64(number) AS f,
	CAST(map('k', toString(number), toString(number %% 5), 'v'), 'Map(LowCardinality(String), String)') AS m,
	range(number %% 4) AS arr, arrayMap(x -> toLowCardinality(toString(x)), range(number %% 3)) AS lcs, [[number], []] AS deep,
	CAST(([1, 2], [0.5]), 'Tuple(Array(Int16), Array(Float64))') AS hist, CAST((1, 'x'), 'Tuple(a UInt64, b FixedString(1))') AS named,
	generateUUIDv4(number) AS id, toDecimal64(1, 2)::String AS s
FROM numbers(%d)`

// nativeOf runs a query on an engine and returns its result as one Native block.
func nativeOf(t testing.TB, sql string) []byte {
	t.Helper()
	e, err := chdb.Open(chdb.Config{DataDir: t.TempDir(), MaxMemory: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	db, err := Open(context.Background(), Config{Transport: e.RoundTripper()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.queries.QueryFormat(context.Background(), "Native", sql)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	block, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// rowsOf decodes a block with the driver's own columns.
func rowsOf(t testing.TB, b *proto.Block) (out []string) {
	for i, c := range b.Columns {
		for row := range b.Rows() {
			out = append(out, fmt.Sprintf("%s %s %v", b.ColumnsNames()[i], c.Type(), show(c.Row(row, false))))
		}
	}
	return out
}

func show(v any) any {
	switch x := v.(type) {
	case *string:
		if x == nil {
			return nil
		}
		return *x
	case time.Time:
		return x.UnixNano()
	}
	return v
}

func decode(t testing.TB, r io.Reader, revision uint64, compressed bool) (*proto.Block, error) {
	t.Helper()
	reader, ok := r.(*chproto.Reader)
	if !ok {
		reader = chproto.NewReader(r)
	}
	if compressed {
		reader.EnableCompression()
		defer reader.DisableCompression()
	}
	b := &proto.Block{ServerContext: &column.ServerContext{Timezone: time.UTC}}
	return b, b.Decode(reader, revision)
}

func TestSplitBlock(t *testing.T) {
	block := nativeOf(t, fmt.Sprintf(everyType, 500))
	columns, err := splitBlock(block)
	if err != nil {
		t.Fatal(err)
	}
	if len(columns) != 18 || columns[0].rows != 500 {
		t.Fatalf("%d columns of %d rows", len(columns), columns[0].rows)
	}
	size := 0
	for _, c := range columns {
		size += len(c.data)
	}
	if size < len(block)/2 {
		t.Errorf("columns have %d bytes of %d", size, len(block))
	}
	for cut := range min(len(block), 3000) {
		if _, err := splitBlock(block[:cut]); err == nil {
			t.Fatalf("a block cut at %d is accepted", cut)
		}
	}
	if _, err := splitBlock(append(bytes.Clone(block), 0)); err == nil {
		t.Error("a byte too many is accepted")
	}
}

func TestPlainType(t *testing.T) {
	f := func(a, b string, same bool) {
		t.Helper()
		if got := plainType(a) == plainType(b); got != same {
			t.Errorf("%q and %q: same = %v", a, b, got)
		}
	}
	f("UInt64", "SimpleAggregateFunction(sum, UInt64)", true)
	f("SimpleAggregateFunction(sumMap, Tuple(Array(Int16), Array(Float64)))", "Tuple(Array(Int16),Array(Float64))", true)
	f("Map(LowCardinality(String), String)", "Map(String, String)", false)
	f("Array(SimpleAggregateFunction(any, String))", "Array(String)", true)
	f("DateTime64(3, 'UTC')", "DateTime64(9, 'UTC')", false)
}

// FuzzSplitBlock: foreign bytes may be refused, but never read out of bounds or taken for more than they are.
func FuzzSplitBlock(f *testing.F) {
	f.Add(nativeOf(f, fmt.Sprintf(everyType, 3)))
	f.Add([]byte{1, 1, 1, 'a', 5, 'U', 'I', 'n', 't', '8', 7})
	f.Fuzz(func(t *testing.T, block []byte) {
		columns, err := splitBlock(block)
		if err != nil {
			return
		}
		size := 0
		for _, c := range columns {
			size += len(c.data)
		}
		if size > len(block) {
			t.Errorf("%d bytes of %d", size, len(block))
		}
	})
}

// nativeServer speaks as much of ClickHouse's native protocol as an insert needs, with the driver's own decoder, so that
// what goes over the wire is judged by other code than that which wrote it.
type nativeServer struct {
	t        testing.TB
	header   []byte // the table: a block of revision 0 with its columns
	fail     atomic.Pointer[chproto.Exception]
	received chan *proto.Block
	settings chan map[string]string
	queries  chan string
}

func (s *nativeServer) serve(c net.Conn) error {
	defer c.Close()
	r := chproto.NewReader(c)
	var hello chproto.ClientHello
	if code, err := r.UVarInt(); err != nil || chproto.ClientCode(code) != chproto.ClientCodeHello {
		return fmt.Errorf("hello: %d, %w", code, err)
	}
	if err := hello.Decode(r); err != nil {
		return err
	}
	version := hello.ProtocolVersion
	var b chproto.Buffer
	(&chproto.ServerHello{Name: "test", Revision: version, Timezone: "UTC", DisplayName: "test"}).EncodeAware(&b, version)
	if _, err := c.Write(b.Buf); err != nil {
		return err
	}
	if chproto.FeatureAddendum.In(version) {
		if _, err := r.Str(); err != nil { // quota key
			return err
		}
	}
	for {
		code, err := r.UVarInt()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b.Reset()
		switch chproto.ClientCode(code) {
		case chproto.ClientCodePing:
			chproto.ServerCodePong.Encode(&b)
		case chproto.ClientCodeQuery:
			if err := s.insert(c, r, version); err != nil {
				return err
			}
			if fail := s.fail.Load(); fail != nil {
				chproto.ServerCodeException.Encode(&b)
				fail.EncodeAware(&b, version)
			} else {
				chproto.ServerCodeEndOfStream.Encode(&b)
			}
		default:
			return fmt.Errorf("packet %d", code)
		}
		if _, err := c.Write(b.Buf); err != nil {
			return err
		}
	}
}

// insert reads the query and its data, up to the empty block.
func (s *nativeServer) insert(c net.Conn, r *chproto.Reader, version int) error {
	var q chproto.Query
	if err := q.DecodeAware(r, version); err != nil {
		return err
	}
	settings := map[string]string{}
	for _, set := range q.Settings {
		settings[set.Key] = set.Value
	}
	s.queries <- q.Body
	s.settings <- settings
	compressed := q.Compression == chproto.CompressionEnabled
	if _, err := s.block(r, version, compressed); err != nil { // external tables: none
		return fmt.Errorf("first block: %w", err)
	}
	if err := s.sendHeader(c, version, compressed); err != nil {
		return err
	}
	for {
		b, err := s.block(r, version, compressed)
		if err != nil {
			return fmt.Errorf("data: %w", err)
		}
		if len(b.Columns) == 0 {
			return nil
		}
		s.received <- b
	}
}

func (s *nativeServer) block(r *chproto.Reader, version int, compressed bool) (*proto.Block, error) {
	code, err := r.UVarInt()
	if err != nil {
		return nil, err
	}
	if chproto.ClientCode(code) != chproto.ClientCodeData {
		return nil, net.ErrClosed // the client has cancelled
	}
	if _, err := r.Str(); err != nil {
		return nil, err
	}
	return decode(s.t, r, uint64(version), compressed)
}

func (s *nativeServer) sendHeader(c net.Conn, version int, compressed bool) error {
	columns, err := splitBlock(s.header)
	if err != nil {
		return err
	}
	var packet, body chproto.Buffer
	chproto.ServerCodeData.Encode(&packet)
	packet.PutString("")
	chproto.BlockInfo{BucketNum: -1}.Encode(&body)
	body.PutUVarInt(uint64(len(columns)))
	body.PutUVarInt(0)
	for _, col := range columns {
		body.PutString(col.name)
		body.PutString(col.typ)
		if chproto.FeatureCustomSerialization.In(version) {
			body.PutBool(false)
		}
	}
	if compressed {
		w := compress.NewWriter(compress.Level(0), compress.LZ4)
		if err := w.Compress(body.Buf); err != nil {
			return err
		}
		body.Buf = w.Data
	}
	_, err = c.Write(append(packet.Buf, body.Buf...))
	return err
}

func startNativeServer(t testing.TB, header []byte) (*nativeServer, string) {
	t.Helper()
	s := &nativeServer{t: t, header: header, received: make(chan *proto.Block, 10), settings: make(chan map[string]string, 10), queries: make(chan string, 10)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if err := s.serve(c); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset by peer") {
					t.Errorf("server: %v", err)
				}
			}()
		}
	}()
	return s, l.Addr().String()
}

func TestNativeInsert(t *testing.T) {
	block := nativeOf(t, fmt.Sprintf(everyType, 1000))
	original, err := decode(t, bytes.NewReader(block), 0, false)
	if err != nil {
		t.Fatal(err)
	}
	want := rowsOf(t, original)
	for name, compression := range map[string]*driverapi.Compression{
		"none": nil, "lz4": {Method: driverapi.CompressionLZ4}, "zstd": {Method: driverapi.CompressionZSTD, Level: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, address := startNativeServer(t, block)
			n := newNativeInserter(&driverapi.Options{Addr: []string{"127.0.0.1:1", address}, Compression: compression, Settings: driverapi.Settings{"async_insert": 0}})
			defer n.close()
			for i := range 3 {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				if err := n.insert(ctx, "INSERT INTO `t` (`u8`)", fmt.Sprintf("token-%d", i), block); err != nil {
					t.Fatal(err)
				}
				cancel()
				if d := cmp.Diff(want, rowsOf(t, <-s.received)); d != "" {
					t.Fatal(d[:min(len(d), 1000)])
				}
				if got, want := <-s.settings, map[string]string{"async_insert": "0", "insert_deduplication_token": fmt.Sprintf("token-%d", i)}; !cmp.Equal(got, want) {
					t.Errorf("settings %v, want %v", got, want)
				}
				if q := <-s.queries; q != "INSERT INTO `t` (`u8`) VALUES" {
					t.Errorf("query %q", q)
				}
			}
			if len(n.idle) != 1 {
				t.Errorf("%d idle connections, want the one", len(n.idle))
			}
		})
	}
}

func TestNativeInsertErrors(t *testing.T) {
	block := nativeOf(t, "SELECT toUInt8(1) AS a")
	s, address := startNativeServer(t, block)
	n := newNativeInserter(&driverapi.Options{Addr: []string{address}})
	defer n.close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	s.fail.Store(&chproto.Exception{Code: 252, Name: "DB::Exception", Message: "too many parts"})
	if err := n.insert(ctx, "INSERT INTO t (a)", "x", block); !IsCode(err, CodeTooManyParts) {
		t.Errorf("error %v, want code %d", err, CodeTooManyParts)
	}
	s.fail.Store(nil)
	err := n.insert(ctx, "INSERT INTO t (a)", "x", nativeBlock("a", "UInt16", []byte{1, 0}))
	if err == nil || !strings.Contains(err.Error(), `block has type "UInt16", the table "UInt8"`) {
		t.Errorf("another type: %v", err)
	}
	if err := n.insert(ctx, "INSERT INTO t (a)", "x", []byte("garbage")); err == nil {
		t.Error("garbage is accepted")
	}
	var refused *net.OpError
	closed := newNativeInserter(&driverapi.Options{Addr: []string{"127.0.0.1:1"}})
	if err := closed.insert(ctx, "INSERT INTO t (a)", "x", block); !errors.As(err, &refused) {
		t.Errorf("no server: %v", err)
	}
}

func nativeBlock(name, typ string, data []byte) []byte {
	var b chproto.Buffer
	b.PutUVarInt(1)
	b.PutUVarInt(1)
	b.PutString(name)
	b.PutString(typ)
	b.PutRaw(data)
	return b.Buf
}
