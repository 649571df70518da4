package chdb

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
)

// requestBody decodes a body: HTTP's encodings, and ClickHouse's compressed blocks with decompress=1.
func requestBody(r *http.Request, query url.Values) (io.Reader, error) {
	var body io.Reader = r.Body
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = z
	case "deflate":
		z, err := zlib.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = z
	case "br":
		body = brotli.NewReader(body)
	default:
		return nil, errors.New("unknown Content-Encoding " + strconv.Quote(encoding))
	}
	if query.Get("decompress") == "1" {
		body = blockReader{compress.NewReader(body)}
	}
	return body, nil
}

// blockReader undoes the wrapping that ch-go puts around the end of input at a block boundary.
type blockReader struct{ r io.Reader }

func (b blockReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// output is the body of an answer in the encoding that the client asked for.
type output struct {
	w      io.Writer
	close  func() error
	raw    io.Writer // for what must not be compressed
	blocks bool
}

func (o *output) Write(p []byte) (int, error) { return o.w.Write(p) }

// Close ends the body.
func (o *output) Close() error {
	if o.close == nil {
		return nil
	}
	return o.close()
}

// fail ends the body with an exception frame. Among ClickHouse's compressed blocks it stands uncompressed, because the
// driver looks for it in the raw bytes.
func (o *output) fail(frame []byte) error {
	if o.blocks {
		_, err := o.raw.Write(frame)
		return err
	}
	if _, err := o.w.Write(frame); err != nil {
		return err
	}
	return o.Close()
}

// encode chooses the encoding of an answer. HTTP's encodings are used only for clients that ask for exactly one, as
// clickhouse-go does, or that set enable_http_compression: a default Go or browser client offers gzip without wanting it,
// and gzip makes a local answer ten times slower.
func encode(w http.ResponseWriter, q *request) *output {
	if q.query.Get("compress") == "1" {
		method := compress.LZ4
		if strings.EqualFold(q.query.Get("network_compression_method"), "zstd") {
			method = compress.ZSTD
		}
		return &output{w: &blockWriter{w: w, c: compress.NewWriter(compress.Level(1), method)}, raw: w, blocks: true}
	}
	accept, enabled := q.Header.Get("Accept-Encoding"), q.query.Get("enable_http_compression")
	if enabled == "0" || enabled == "" && q.query.Get("client_protocol_version") == "" {
		return &output{w: w, raw: w}
	}
	encoding, _, _ := strings.Cut(accept, ",")
	var z io.WriteCloser
	switch encoding {
	case "gzip":
		z = gzip.NewWriter(w)
	case "deflate":
		z = zlib.NewWriter(w)
	case "br":
		z = brotli.NewWriterLevel(w, brotli.BestSpeed)
	default:
		return &output{w: w, raw: w}
	}
	w.Header().Set("Content-Encoding", encoding)
	return &output{w: z, close: z.Close, raw: w}
}

// blockWriter writes ClickHouse's compressed blocks of at most a megabyte.
type blockWriter struct {
	w io.Writer
	c *compress.Writer
}

func (b *blockWriter) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n := min(len(p)-done, 1<<20)
		if err := b.c.Compress(p[done : done+n]); err != nil {
			return done, err
		}
		if _, err := b.w.Write(b.c.Data); err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

// respond answers with a whole body.
func respond(w http.ResponseWriter, q *request, body []byte) error {
	if len(body) == 0 {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		return nil
	}
	out := encode(w, q)
	if out.close == nil && !out.blocks {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	if _, err := out.Write(body); err != nil {
		return nil // the client is gone
	}
	_ = out.Close()
	return nil
}

// copyRows copies in large steps; a reader that can write itself does so at once.
func copyRows(w io.Writer, rows io.Reader) (int64, error) {
	if wt, ok := rows.(io.WriterTo); ok {
		return wt.WriteTo(w)
	}
	return io.CopyBuffer(struct{ io.Writer }{w}, rows, make([]byte, 256<<10))
}
