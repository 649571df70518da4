package remoteread

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"loadline/query/promql/series"
	"loadline/web/promapi/failure"
)

// fixed is a store that selects the same whatever the selector, and remembers how it was asked.
type fixed struct {
	storage.LabelQuerier
	series []storage.Series
	err    error
	mint   int64
	hints  *storage.SelectHints
	asked  []*labels.Matcher
}

func (f *fixed) Querier(mint, _ int64) (storage.Querier, error) {
	f.mint = mint
	return f, nil
}

func (f *fixed) Close() error { return nil }

func (f *fixed) Select(_ context.Context, _ bool, h *storage.SelectHints, m ...*labels.Matcher) storage.SeriesSet {
	f.hints, f.asked = h, m
	return &failing{series.NewSet(f.series, nil), f.err}
}

// failing is a set that ends with an error.
type failing struct {
	*series.Set
	err error
}

func (f *failing) Err() error { return f.err }

func sample() *fixed {
	floats := &series.Series{Name: labels.FromStrings("__name__", "up", "job", "shop")}
	for i := range int64(300) {
		floats.Column.Append(1000*i, float64(i))
		floats.Column.ST = append(floats.Column.ST, 1)
	}
	mixed := &series.Series{
		Name:       labels.FromStrings("__name__", "x"),
		Column:     series.Column{T: []int64{1}, V: []float64{0.5}},
		Histograms: []series.Histogram{{T: 2, ST: 1, H: &histogram.FloatHistogram{Count: 2, Sum: 3, ZeroCount: 2, ZeroThreshold: 0.1}}},
	}
	return &fixed{series: []storage.Series{floats, mixed}}
}

func newHandler(store storage.Queryable) *Handler {
	return New(Config{Store: store, MaxSamples: 1000, Acquire: func(context.Context) *failure.Error { return nil }, Release: func() {}})
}

func request(t *testing.T, kinds ...prompb.ReadRequest_ResponseType) *http.Request {
	t.Helper()
	req := prompb.ReadRequest{AcceptedResponseTypes: kinds, Queries: []*prompb.Query{{
		StartTimestampMs: 5, EndTimestampMs: 500_000, Hints: &prompb.ReadHints{Func: "rate", StepMs: 15},
		Matchers: []*prompb.LabelMatcher{{Type: prompb.LabelMatcher_EQ, Name: "a", Value: "1"}, {Type: prompb.LabelMatcher_NEQ, Name: "b", Value: "2"}, {Type: prompb.LabelMatcher_RE, Name: "c", Value: "3"}, {Type: prompb.LabelMatcher_NRE, Name: "d", Value: "4"}},
	}}}
	raw, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return httptest.NewRequest("POST", "/api/v1/read", bytes.NewReader(snappy.Encode(nil, raw)))
}

func TestSamples(t *testing.T) {
	store := sample()
	w := httptest.NewRecorder()
	newHandler(store).ServeHTTP(w, request(t))
	raw, err := snappy.Decode(nil, w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var resp prompb.ReadResponse
	if err := resp.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	all := resp.Results[0].Timeseries
	if len(all) != 2 || len(all[0].Samples) != 300 || all[0].Samples[299].Timestamp != 299_000 || all[0].Samples[299].Value != 299 || len(all[1].Samples) != 1 || len(all[1].Histograms) != 1 {
		t.Errorf("got %d series: %v", len(all), all)
	}
	if h := all[1].Histograms[0].ToFloatHistogram(); h.Count != 2 || h.ZeroThreshold != 0.1 {
		t.Errorf("histogram %v", h)
	}
	if w.Header().Get("Content-Type") != "application/x-protobuf" || w.Header().Get("Content-Encoding") != "snappy" {
		t.Errorf("header %v", w.Header())
	}
	var asked []string
	for _, m := range store.asked {
		asked = append(asked, m.String())
	}
	if diff := cmp.Diff([]string{`a="1"`, `b!="2"`, `c=~"3"`, `d!~"4"`}, asked); diff != "" || store.mint != 5 || store.hints.Func != "rate" || store.hints.Step != 15 {
		t.Errorf("asked from %d with %+v, -want +got:\n%s", store.mint, store.hints, diff)
	}
}

// frame reads one message of a stream, nil at its end.
func frame(t *testing.T, r *bufio.Reader) *prompb.ChunkedReadResponse {
	t.Helper()
	n, err := binary.ReadUvarint(r)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	rest := make([]byte, 4+n)
	if _, err := io.ReadFull(r, rest); err != nil {
		t.Fatal(err)
	}
	if binary.BigEndian.Uint32(rest) != crc32.Checksum(rest[4:], crc32.MakeTable(crc32.Castagnoli)) {
		t.Fatal("checksum is wrong")
	}
	m := new(prompb.ChunkedReadResponse)
	if err := m.Unmarshal(rest[4:]); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestStream(t *testing.T) {
	store := sample()
	long := &series.Series{Name: labels.FromStrings("__name__", "zz")}
	for i := range int64(400_000) {
		// Bits without a pattern, so that a message gets full.
		long.Column.Append(i, float64(uint64(i)*0x9e3779b97f4a7c15))
	}
	store.series = append(store.series, long)
	w := httptest.NewRecorder()
	newHandler(store).ServeHTTP(w, request(t, prompb.ReadRequest_STREAMED_XOR_CHUNKS, prompb.ReadRequest_SAMPLES))
	r := bufio.NewReader(w.Body)
	samples, messages, types := map[string]int{}, map[string]int{}, map[prompb.Chunk_Encoding]int{}
	for m := frame(t, r); m != nil; m = frame(t, r) {
		s := m.ChunkedSeries[0]
		name := s.Labels[0].Value
		messages[name]++
		for _, c := range s.Chunks {
			types[c.Type]++
			decoded, err := chunkenc.FromData(chunkenc.Encoding(c.Type), c.Data)
			if err != nil {
				t.Fatal(err)
			}
			for it := decoded.Iterator(nil); it.Next() != chunkenc.ValNone; {
				if it.AtT() < c.MinTimeMs || it.AtT() > c.MaxTimeMs {
					t.Fatalf("sample at %d outside of %d to %d", it.AtT(), c.MinTimeMs, c.MaxTimeMs)
				}
				samples[name]++
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"up": 300, "x": 2, "zz": 400_000}, samples); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	delete(types, prompb.Chunk_XOR)
	delete(types, prompb.Chunk_FLOAT_HISTOGRAM)
	if len(types) > 0 {
		t.Errorf("chunks of encodings that not everybody knows: %v", types)
	}
	if messages["up"] != 1 || messages["zz"] < 2 {
		t.Errorf("messages %v", messages)
	}
	if w.Header().Get("Content-Type") != "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse" {
		t.Errorf("header %v", w.Header())
	}
}

func TestRefused(t *testing.T) {
	f := func(h *Handler, r *http.Request, code int, want string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != code || w.Body.String() != want+"\n" {
			t.Errorf("status %d: %q, want %d: %q", w.Code, w.Body, code, want)
		}
	}
	few := newHandler(sample())
	few.cfg.MaxSamples = 300
	f(few, request(t), 400, "exceeded sample limit (300)")
	gone := sample()
	gone.series, gone.err = nil, errors.New("gone")
	f(newHandler(gone), request(t), 500, "gone")
	f(newHandler(gone), request(t, prompb.ReadRequest_STREAMED_XOR_CHUNKS), 500, "gone")
	gone.err = context.DeadlineExceeded
	f(newHandler(gone), request(t), 503, "context deadline exceeded")
	full := newHandler(sample())
	full.cfg.Acquire = func(context.Context) *failure.Error { return failure.New(failure.Timeout, "full") }
	f(full, request(t), 503, "full")
	f(newHandler(sample()), request(t, 7), 400, "server does not support any of the requested response types: [7]; supported: [SAMPLES STREAMED_XOR_CHUNKS]")
	f(newHandler(sample()), httptest.NewRequest("POST", "/", bytes.NewReader([]byte{0xff, 0xff, 0xff, 0x7f})), 400, "decompress request: 268435455 bytes are more than 33554432")
	f(newHandler(sample()), httptest.NewRequest("POST", "/", bytes.NewReader(snappy.Encode(nil, []byte{0xff}))), 400, "decode request: unexpected EOF")
}

func TestABrokenStreamIsNotTakenForComplete(t *testing.T) {
	store := sample()
	store.err = errors.New("gone")
	server := httptest.NewServer(newHandler(store))
	defer server.Close()
	server.Config.ErrorLog = nil
	r := request(t, prompb.ReadRequest_STREAMED_XOR_CHUNKS)
	resp, err := http.Post(server.URL, "application/x-protobuf", r.Body)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	if err == nil {
		t.Error("the stream ended as if it was complete")
	}
}

func FuzzRequests(f *testing.F) {
	raw, err := (&prompb.ReadRequest{Queries: []*prompb.Query{{Matchers: []*prompb.LabelMatcher{{Type: 9, Name: "a"}}}}}).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(snappy.Encode(nil, raw))
	f.Add([]byte{0xff, 0xff, 0x03})
	h := newHandler(sample())
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/", bytes.NewReader(body)))
		if w.Code != 200 && w.Code != 400 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}
