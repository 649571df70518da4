package payload

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// compress returns data in an encoding, written in two parts.
func compress(t testing.TB, encoding string, data io.Reader) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zstd":
		w, err = zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	case "deflate":
		w = zlib.NewWriter(&out)
	case "snappy":
		w = snappy.NewBufferedWriter(&out)
	case "snappy block":
		plain, err := io.ReadAll(data)
		if err != nil {
			t.Fatal(err)
		}
		return snappy.Encode(nil, plain)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var encodings = []string{"gzip", "zstd", "deflate", "snappy", "snappy block"}

// plain decompresses data and checks that all memory comes back.
func plain(t testing.TB, d *Decompressor, encoding string, data []byte) ([]byte, error) {
	t.Helper()
	if m := d.memory; m.Used() != 0 {
		t.Fatalf("%d bytes in use before", m.Used())
	}
	body, err := d.memory.ReadAll(bytes.NewReader(data), len(data), d.limit)
	if err != nil {
		t.Fatal(err)
	}
	name, err := Encoding(strings.TrimSuffix(encoding, " block"))
	if err != nil {
		t.Fatal(err)
	}
	body, err = d.Plain(body, name)
	var out []byte
	if err == nil {
		out = bytes.Clone(body.Bytes)
		body.Free()
	}
	if m := d.memory; m.Used() != 0 {
		t.Errorf("%s: %d bytes in use after %v", encoding, m.Used(), err)
	}
	return out, err
}

func newDecompressor(limit int) *Decompressor {
	return NewDecompressor(NewMemory(int64(4*limit)), limit)
}

func TestDecompress(t *testing.T) {
	d := newDecompressor(1 << 20)
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for _, encoding := range append(encodings, "identity", "", "none", "GZIP", "x-gzip", "x-snappy-framed") {
		for _, want := range [][]byte{{}, []byte("a"), []byte(strings.Repeat("spans ", 20_000)), noise} {
			data := want
			switch name := strings.ToLower(strings.TrimPrefix(encoding, "x-")); name {
			case "gzip", "zstd", "deflate", "snappy", "snappy block":
				data = compress(t, name, bytes.NewReader(want))
			case "snappy-framed":
				data = compress(t, "snappy", bytes.NewReader(want))
			}
			got, err := plain(t, d, encoding, data)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s of %d bytes: %d bytes, %v", encoding, len(want), len(got), err)
			}
		}
		if got, err := plain(t, d, encoding, nil); len(got) != 0 || err != nil {
			t.Errorf("%s of nothing: %d bytes, %v", encoding, len(got), err)
		}
	}
}

func TestMembers(t *testing.T) {
	d := newDecompressor(1 << 20)
	for _, encoding := range []string{"gzip", "zstd", "snappy"} {
		data := append(compress(t, encoding, strings.NewReader("one ")), compress(t, encoding, strings.NewReader("two"))...)
		got, err := plain(t, d, encoding, data)
		if string(got) != "one two" || err != nil {
			t.Errorf("%s: %q, %v", encoding, got, err)
		}
	}
}

func TestUnknownEncoding(t *testing.T) {
	for _, encoding := range []string{"br", "lz4", "gzip, zstd", "compress"} {
		_, err := Encoding(encoding)
		var unknown *UnknownEncodingError
		if !errors.As(err, &unknown) || !strings.Contains(err.Error(), encoding) {
			t.Errorf("%q: %v", encoding, err)
		}
	}
}

func TestCorrupt(t *testing.T) {
	d := newDecompressor(1 << 20)
	for _, encoding := range encodings {
		good := compress(t, encoding, strings.NewReader(strings.Repeat("0123456789abcdef ", 1000)+"end"))
		flipped := bytes.Clone(good)
		flipped[len(flipped)/2] ^= 0xff
		for name, data := range map[string][]byte{
			"truncated":  good[:len(good)-1],
			"cut short":  good[:len(good)/2],
			"first byte": good[:1],
			"text":       []byte("not compressed at all"),
			"followed":   append(bytes.Clone(good), "garbage"...),
		} {
			if encoding == "deflate" && name == "followed" {
				continue // the format ends by itself
			}
			got, err := plain(t, d, encoding, data)
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) {
				t.Errorf("%s, %s: %d bytes, %v", encoding, name, len(got), err)
			}
		}
		if _, err := plain(t, d, encoding, flipped); err == nil && encoding != "snappy block" { // which has no checksum
			t.Errorf("%s: a flipped byte goes unnoticed", encoding)
		}
		if got, err := plain(t, d, encoding, good); err != nil || len(got) != 17003 {
			t.Errorf("%s: after errors: %d bytes, %v", encoding, len(got), err)
		}
	}
}

// zeros is a reader of n zero bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// TestBomb decompresses 128 MiB under a limit of a megabyte and watches what is allocated.
func TestBomb(t *testing.T) {
	const limit = 1 << 20
	for _, encoding := range []string{"gzip", "zstd", "deflate"} {
		bomb := compress(t, encoding, zeros(128<<20))
		d := newDecompressor(limit)
		allocated := allocations(func() {
			_, err := plain(t, d, encoding, bomb)
			var tooLarge *TooLargeError
			if !errors.As(err, &tooLarge) {
				t.Errorf("%s: %v", encoding, err)
			}
		})
		// The zstd decoder keeps a window of 8 MiB, as this frame asks.
		if allocated > 4*limit+2*maxZstdWindow {
			t.Errorf("%s: a bomb of %d bytes allocates %d", encoding, len(bomb), allocated)
		}
		t.Logf("%s: a bomb of %d bytes allocates %d", encoding, len(bomb), allocated)
	}
	d := newDecompressor(limit)
	for name, data := range map[string][]byte{
		"block of 4 GiB":  {0xff, 0xff, 0xff, 0xff, 0x0f, 0},
		"block of 60 MiB": {0x80, 0x80, 0x80, 0x1e, 0},
	} {
		if allocated := allocations(func() {
			if _, err := plain(t, d, "snappy", data); err == nil {
				t.Errorf("snappy %s is accepted", name)
			}
		}); allocated > limit {
			t.Errorf("snappy %s allocates %d", name, allocated)
		}
	}
	// A zstd frame that asks for a window of 1 GiB, and one that says it holds 1 GiB.
	for name, data := range map[string][]byte{
		"window": {0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 0x01, 0, 0},
		"size":   {0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x40, 0x01, 0, 0},
	} {
		if allocated := allocations(func() {
			if _, err := plain(t, newDecompressor(limit), "zstd", data); err == nil {
				t.Errorf("zstd %s is accepted", name)
			}
		}); allocated > 4*limit {
			t.Errorf("zstd %s allocates %d", name, allocated)
		}
	}
}

func allocations(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestReadAll(t *testing.T) {
	const limit = 100_000 // not a power of two
	m := NewMemory(4 * limit)
	f := func(size, expected int, ok bool) {
		t.Helper()
		for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.HalfReader, iotest.DataErrReader} {
			b, err := m.ReadAll(wrap(zeros(int64(size))), expected, limit)
			if ok != (err == nil) || (ok && len(b.Bytes) != size) {
				t.Errorf("%d bytes, expecting %d: %v", size, expected, err)
			}
			b.Free()
			if m.Used() != 0 {
				t.Errorf("%d bytes, expecting %d: %d in use", size, expected, m.Used())
			}
		}
	}
	for _, expected := range []int{0, 1, 5000, limit, 1 << 40} {
		f(0, expected, true)
		f(1, expected, true)
		f(4096, expected, true)
		f(70_000, expected, true)
		f(limit, expected, true)
		f(limit+1, expected, false)
	}
	broken := errors.New("broken")
	if _, err := m.ReadAll(io.MultiReader(zeros(5000), iotest.ErrReader(broken)), 0, limit); !errors.Is(err, broken) || m.Used() != 0 {
		t.Errorf("error %v, %d in use", err, m.Used())
	}
}

func TestBusy(t *testing.T) {
	m := NewMemory(100_000)
	first, err := m.Get(60_000) // 64 KiB
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Get(40_000); !errors.Is(err, ErrBusy) {
		t.Errorf("more than there is: %v", err)
	}
	// The first 4 KiB fit; the growth to 64 does not, and gives everything back.
	if _, err := m.ReadAll(zeros(60_000), 0, 80_000); !errors.Is(err, ErrBusy) {
		t.Errorf("growth: %v", err)
	}
	if diff := cmp.Diff(int64(1<<16), m.Used()); diff != "" {
		t.Error(diff)
	}
	first.Free()
	if _, err := m.Get(90_000); !errors.Is(err, ErrBusy) { // a class of 128 KiB
		t.Errorf("rounded up: %v", err)
	}
	again, err := m.ReadAll(zeros(30_000), 0, 80_000)
	if err != nil {
		t.Fatal(err)
	}
	again.Free()
	if m.Used() != 0 {
		t.Errorf("%d in use", m.Used())
	}
}

// FuzzPlain looks for input that makes a decoder panic, or exceed the limit.
func FuzzPlain(f *testing.F) {
	for i, encoding := range encodings {
		f.Add(byte(i), compress(f, encoding, strings.NewReader(strings.Repeat("telemetry ", 100))))
	}
	d := newDecompressor(1 << 16)
	f.Fuzz(func(t *testing.T, encoding byte, data []byte) {
		if len(data) > d.limit {
			return
		}
		if got, err := plain(t, d, encodings[int(encoding)%len(encodings)], data); err == nil && len(got) > d.limit {
			t.Fatalf("%d bytes", len(got))
		}
	})
}
