// Package compress compresses what is rendered anew at every request.
package compress

import (
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression of what is rendered at every request. At these levels zstd costs a third of a millisecond a page.
var (
	zstdWriters = sync.Pool{New: func() any {
		z, err := zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(256<<10))
		if err != nil {
			panic("BUG: zstd options: " + err.Error())
		}
		return z
	}}
	gzipWriters = sync.Pool{New: func() any {
		z, err := gzip.NewWriterLevel(io.Discard, 5)
		if err != nil {
			panic("BUG: gzip level: " + err.Error())
		}
		return z
	}}
)

// encoder is what the compressing writers have in common.
type encoder interface {
	io.WriteCloser
	Reset(io.Writer)
}

// Handler compresses text answers that are not compressed already, in the best encoding that the browser takes.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accept := r.Header.Get("Accept-Encoding")
		var pool *sync.Pool
		var name string
		switch {
		case r.Method == http.MethodHead || r.Header.Get("Upgrade") != "":
		case strings.Contains(accept, "zstd"):
			pool, name = &zstdWriters, "zstd"
		case strings.Contains(accept, "gzip"):
			pool, name = &gzipWriters, "gzip"
		}
		if pool == nil {
			next.ServeHTTP(w, r)
			return
		}
		c := &compressor{ResponseWriter: w, pool: pool, name: name}
		defer c.close()
		next.ServeHTTP(c, r)
	})
}

// A compressor decides at the first byte whether to compress.
type compressor struct {
	http.ResponseWriter
	pool    *sync.Pool
	name    string
	decided bool
	encoder encoder
}

// WriteHeader implements http.ResponseWriter.
func (c *compressor) WriteHeader(code int) {
	if !c.decided {
		c.decided = true
		h := c.Header()
		kind := h.Get("Content-Type")
		text := strings.HasPrefix(kind, "text/") || strings.HasPrefix(kind, "application/json")
		if text && h.Get("Content-Encoding") == "" && code != http.StatusNoContent && code != http.StatusNotModified {
			h.Set("Content-Encoding", c.name)
			h.Add("Vary", "Accept-Encoding")
			h.Del("Content-Length")
			c.encoder = c.pool.Get().(encoder)
			c.encoder.Reset(c.ResponseWriter)
		}
	}
	c.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (c *compressor) Write(b []byte) (int, error) {
	if !c.decided {
		c.WriteHeader(http.StatusOK)
	}
	if c.encoder == nil {
		return c.ResponseWriter.Write(b)
	}
	return c.encoder.Write(b)
}

// Unwrap gives http.ResponseController the real writer.
func (c *compressor) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *compressor) close() {
	if c.encoder != nil {
		_ = c.encoder.Close() // the browser went away
		c.encoder.Reset(io.Discard)
		c.pool.Put(c.encoder)
	}
}
