// Package remoteread answers Prometheus's remote read requests: other Prometheus servers read series from here, either
// as samples in one message or as a stream of chunks in Prometheus's own encoding.
package remoteread

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"loadline/web/promapi/failure"
)

const (
	// maxRequest is how long a request may be, compressed and decompressed.
	maxRequest = 32 << 20
	// maxFrame is about how long a message of a stream is.
	maxFrame = 1 << 20
)

// Config says what a Handler reads. All of it has to be there.
type Config struct {
	Store      storage.Queryable
	MaxSamples int // in an answer that is one message
	// Acquire waits for leave to read. Release gives it back.
	Acquire func(context.Context) *failure.Error
	Release func()
}

// Handler answers remote read requests. It is safe for concurrent use.
type Handler struct {
	cfg Config
}

// New returns a handler.
func New(cfg Config) *Handler { return &Handler{cfg} }

// ServeHTTP implements http.Handler. Errors are answered as text, as Prometheus does.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := decode(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	kind, err := negotiate(req.AcceptedResponseTypes)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if f := h.cfg.Acquire(r.Context()); f != nil {
		http.Error(w, f.Err.Error(), f.Kind.Code())
		return
	}
	defer h.cfg.Release()
	if kind == prompb.ReadRequest_STREAMED_XOR_CHUNKS {
		h.stream(w, r, req.Queries)
		return
	}
	h.samples(w, r, req.Queries)
}

// decode reads a request. Its length after decompression is known before any memory is taken.
func decode(r io.Reader) (*prompb.ReadRequest, error) {
	compressed, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	n, err := snappy.DecodedLen(compressed)
	if err != nil {
		return nil, fmt.Errorf("decompress request: %w", err)
	}
	if n > maxRequest {
		return nil, fmt.Errorf("decompress request: %d bytes are more than %d", n, maxRequest)
	}
	raw, err := snappy.Decode(nil, compressed)
	if err != nil {
		return nil, fmt.Errorf("decompress request: %w", err)
	}
	req := new(prompb.ReadRequest)
	if err := req.Unmarshal(raw); err != nil {
		return nil, fmt.Errorf("decode request: %w", err)
	}
	return req, nil
}

// negotiate returns the first kind of answer of those accepted that there is. Samples are for who accepts nothing.
func negotiate(accepted []prompb.ReadRequest_ResponseType) (prompb.ReadRequest_ResponseType, error) {
	if len(accepted) == 0 {
		return prompb.ReadRequest_SAMPLES, nil
	}
	known := []prompb.ReadRequest_ResponseType{prompb.ReadRequest_SAMPLES, prompb.ReadRequest_STREAMED_XOR_CHUNKS}
	for _, kind := range accepted {
		if slices.Contains(known, kind) {
			return kind, nil
		}
	}
	return 0, fmt.Errorf("server does not support any of the requested response types: %v; supported: %v", accepted, known)
}

var errTooMany = errors.New("exceeded sample limit")

func (h *Handler) samples(w http.ResponseWriter, r *http.Request, queries []*prompb.Query) {
	left := h.cfg.MaxSamples
	resp := prompb.ReadResponse{Results: make([]*prompb.QueryResult, len(queries))}
	for i, query := range queries {
		err := h.each(r.Context(), query, func(set storage.SeriesSet) (err error) {
			resp.Results[i], err = collect(set, &left)
			return err
		})
		if errors.Is(err, errTooMany) {
			http.Error(w, fmt.Sprintf("%v (%d)", errTooMany, h.cfg.MaxSamples), http.StatusBadRequest)
			return
		}
		if err != nil {
			refuse(w, err)
			return
		}
	}
	raw, err := resp.Marshal()
	if err != nil {
		refuse(w, fmt.Errorf("encode answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Header().Set("Content-Encoding", "snappy")
	_, _ = w.Write(snappy.Encode(nil, raw)) // the client went away
}

// refuse answers with an error of the store.
func refuse(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	if f := failure.Of(err); f.Kind != failure.Execution {
		code = f.Kind.Code()
	}
	http.Error(w, err.Error(), code)
}

// each calls fn with the series of a query, sorted by labels.
func (h *Handler) each(ctx context.Context, query *prompb.Query, fn func(storage.SeriesSet) error) error {
	matchers, err := toMatchers(query.Matchers)
	if err != nil {
		return err
	}
	q, err := h.cfg.Store.Querier(query.StartTimestampMs, query.EndTimestampMs)
	if err != nil {
		return err
	}
	defer q.Close()
	var hints *storage.SelectHints
	if p := query.Hints; p != nil {
		hints = &storage.SelectHints{Start: p.StartMs, End: p.EndMs, Step: p.StepMs, Func: p.Func, Grouping: p.Grouping, Range: p.RangeMs, By: p.By}
	}
	return fn(q.Select(ctx, true, hints, matchers...))
}

func toMatchers(all []*prompb.LabelMatcher) ([]*labels.Matcher, error) {
	out := make([]*labels.Matcher, 0, len(all))
	for _, p := range all {
		var kind labels.MatchType
		switch p.Type {
		case prompb.LabelMatcher_EQ:
			kind = labels.MatchEqual
		case prompb.LabelMatcher_NEQ:
			kind = labels.MatchNotEqual
		case prompb.LabelMatcher_RE:
			kind = labels.MatchRegexp
		case prompb.LabelMatcher_NRE:
			kind = labels.MatchNotRegexp
		default:
			return nil, failure.New(failure.BadData, "invalid matcher type")
		}
		m, err := labels.NewMatcher(kind, p.Name, p.Value)
		if err != nil {
			return nil, &failure.Error{Kind: failure.BadData, Err: err}
		}
		out = append(out, m)
	}
	return out, nil
}

// collect returns the samples of a set, and counts them down.
func collect(set storage.SeriesSet, left *int) (*prompb.QueryResult, error) {
	out := new(prompb.QueryResult)
	var it chunkenc.Iterator
	for set.Next() {
		s := set.At()
		it = s.Iterator(it)
		series := &prompb.TimeSeries{Labels: prompb.FromLabels(s.Labels(), nil)}
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if *left--; *left < 0 {
				return nil, errTooMany
			}
			if kind == chunkenc.ValFloat {
				t, v := it.At()
				series.Samples = append(series.Samples, prompb.Sample{Timestamp: t, Value: v})
				continue
			}
			t, h := it.AtFloatHistogram(nil)
			series.Histograms = append(series.Histograms, prompb.FromFloatHistogram(t, h))
		}
		if err := it.Err(); err != nil {
			return nil, err
		}
		out.Timeseries = append(out.Timeseries, series)
	}
	return out, set.Err()
}
