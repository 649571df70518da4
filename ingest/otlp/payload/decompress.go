package payload

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// AcceptedEncodings is what a request may be compressed with, as told to senders of anything else.
const AcceptedEncodings = "gzip, zstd, deflate, snappy"

// maxZstdWindow is the largest window that a zstd sender may ask us to keep. It is the limit of RFC 9659 and what the
// encoders of every OpenTelemetry exporter stay within at any level.
const maxZstdWindow = 8 << 20

// UnknownEncodingError means that a request is compressed with something that we do not read.
type UnknownEncodingError struct{ encoding string }

func (e *UnknownEncodingError) Error() string {
	return fmt.Sprintf("compression %q is not supported: use one of %s, or none", e.encoding, AcceptedEncodings)
}

// CorruptError means that a request is not what its compression header says.
type CorruptError struct {
	encoding string
	err      error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("body is not valid %s: %v", e.encoding, e.err)
}

func (e *CorruptError) Unwrap() error { return e.err }

// Decompressor turns compressed bodies into plain ones. Bodies are read completely first, so that a slow sender does
// not occupy a decoder, and no more decoders work at once than there are processors, so that their windows and tables
// are bounded too.
type Decompressor struct {
	memory *Memory
	limit  int
	turns  chan struct{}
	gzip   sync.Pool // of *gzip.Reader
	zstd   sync.Pool // of *zstd.Decoder
}

// NewDecompressor returns a decompressor of bodies of at most limit bytes.
func NewDecompressor(m *Memory, limit int) *Decompressor {
	return &Decompressor{memory: m, limit: limit, turns: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// Encoding returns the name by which Plain knows a content coding, and an error for an unknown one.
func Encoding(header string) (string, error) {
	switch name := strings.ToLower(strings.TrimSpace(header)); name {
	case "", "identity", "none":
		return "", nil
	case "gzip", "x-gzip":
		return "gzip", nil
	case "zstd", "deflate", "snappy":
		return name, nil
	case "x-snappy-framed":
		return "snappy", nil
	}
	return "", &UnknownEncodingError{header}
}

// Plain returns the uncompressed body and frees the compressed one. The encoding is one that Encoding returned. Errors
// are ErrBusy, *TooLargeError and *CorruptError.
func (d *Decompressor) Plain(body *Buffer, encoding string) (*Buffer, error) {
	if encoding == "" || len(body.Bytes) == 0 { // nothing is nothing in every encoding; some senders do not compress it
		return body, nil
	}
	defer body.Free()
	d.turns <- struct{}{}
	defer func() { <-d.turns }()
	plain, err := d.decode(body.Bytes, encoding)
	var tooLarge *TooLargeError
	if err != nil && !errors.As(err, &tooLarge) && !errors.Is(err, ErrBusy) {
		return nil, &CorruptError{encoding, err}
	}
	return plain, err
}

func (d *Decompressor) decode(body []byte, encoding string) (*Buffer, error) {
	// The expected size is a guess that spares most requests the growing: telemetry compresses to a fifth or less.
	source, expected := bytes.NewReader(body), 8*len(body)
	switch encoding {
	case "gzip":
		z, ok := d.gzip.Get().(*gzip.Reader)
		if !ok {
			z = new(gzip.Reader)
		}
		defer d.gzip.Put(z)
		if err := z.Reset(source); err != nil {
			return nil, err
		}
		return d.memory.ReadAll(z, expected, d.limit)
	case "zstd":
		z, err := d.zstdDecoder()
		if err != nil {
			return nil, err
		}
		defer d.zstd.Put(z)
		defer z.Reset(nil) //nolint:errcheck // drops the reference to the body; there is nothing to fail
		if err := z.Reset(source); err != nil {
			return nil, err
		}
		return d.memory.ReadAll(z, expected, d.limit)
	case "deflate":
		z, err := zlib.NewReader(source)
		if err != nil {
			return nil, err
		}
		return d.memory.ReadAll(z, expected, d.limit)
	case "snappy":
		if bytes.HasPrefix(body, []byte(snappyMagic)) {
			return d.memory.ReadAll(snappy.NewReader(source), expected, d.limit)
		}
		return d.snappyBlock(body)
	}
	panic("BUG: no decoder for " + encoding)
}

func (d *Decompressor) zstdDecoder() (*zstd.Decoder, error) {
	if z, ok := d.zstd.Get().(*zstd.Decoder); ok {
		return z, nil
	}
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxZstdWindow))
}

// snappyMagic begins the framed format of snappy. Senders use the same name for the block format.
const snappyMagic = "\xff\x06\x00\x00sNaPpY"

// snappyBlock decodes the block format, which has no streaming decoder and states its length at the start.
func (d *Decompressor) snappyBlock(body []byte) (*Buffer, error) {
	size, err := snappy.DecodedLen(body)
	switch {
	case err != nil:
		return nil, err
	case size > 32*len(body): // the format's best is 64 bytes for 3: do not believe more
		return nil, snappy.ErrCorrupt
	case size > d.limit:
		return nil, &TooLargeError{Limit: d.limit}
	}
	plain, err := d.memory.Get(size)
	if err != nil {
		return nil, err
	}
	decoded, err := snappy.Decode(plain.Bytes[:size], body)
	if err != nil {
		plain.Free()
		return nil, err
	}
	plain.Bytes = decoded
	return plain, nil
}
