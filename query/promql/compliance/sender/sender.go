// Package sender writes samples the way a Prometheus server does: as remote write requests. It encodes them itself,
// because the usual protobuf library leaves out a value of -0, which is not 0 in PromQL.
package sender

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"google.golang.org/protobuf/encoding/protowire"

	"loadline/query/promql/series"
)

// A Version of the remote write protocol: its number.
type Version int

// Encode appends the request with all samples of the series to dst, not compressed. Salt makes requests with the same
// samples different, for receivers that drop what they got before; version 1 has no room for it.
func (v Version) Encode(dst []byte, all []*series.Series, salt string) []byte {
	if v == 1 {
		return encode1(dst, all)
	}
	return encode2(dst, all, salt)
}

// Header sets what the protocol wants in a request.
func (v Version) Header(h http.Header) {
	h.Set("Content-Encoding", "snappy")
	h.Set("Content-Type", "application/x-protobuf")
	h.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	if v == 2 {
		h.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
		h.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	}
}

// Send posts a request that Encode made and waits for its acknowledgement.
func (v Version) Send(ctx context.Context, httpClient *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		return err
	}
	v.Header(req.Header)
	resp, err := httpClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("remote write: status %d: %q", resp.StatusCode, bytes.TrimSpace(answer))
	}
	return nil
}

func encode1(dst []byte, all []*series.Series) []byte {
	var one, inner []byte
	for _, s := range all {
		one = one[:0]
		s.Name.Range(func(l labels.Label) {
			inner = text(text(inner[:0], 1, l.Name), 2, l.Value)
			one = message(one, 1, inner)
		})
		for i, t := range s.Column.T {
			one = message(one, 2, integer(double(inner[:0], 1, s.Column.V[i]), 2, t))
		}
		for i := range s.Histograms {
			one = message(one, 4, appendHistogram(inner[:0], s.Histograms[i].H, s.Histograms[i].T))
		}
		dst = message(dst, 1, one)
	}
	return dst
}

// encode2 gives a series that has floats and histograms as two, as the protocol wants.
func encode2(dst []byte, all []*series.Series, salt string) []byte {
	symbols := map[string]uint64{"": 0}
	order := []string{""}
	symbol := func(s string) uint64 {
		ref, ok := symbols[s]
		if !ok {
			ref = uint64(len(order))
			symbols[s] = ref
			order = append(order, s)
		}
		return ref
	}
	var out, one, inner, refs []byte
	for _, s := range all {
		refs = refs[:0]
		s.Name.Range(func(l labels.Label) {
			refs = protowire.AppendVarint(refs, symbol(l.Name))
			refs = protowire.AppendVarint(refs, symbol(l.Value))
		})
		if len(s.Column.T) > 0 {
			one = message(one[:0], 1, refs)
			for i, t := range s.Column.T {
				inner = integer(integer(double(inner[:0], 1, s.Column.V[i]), 2, t), 3, s.Column.Start(i))
				one = message(one, 2, inner)
			}
			out = message(out, 5, one)
		}
		if len(s.Histograms) > 0 {
			one = message(one[:0], 1, refs)
			for _, h := range s.Histograms {
				inner = integer(appendHistogram(inner[:0], h.H, h.T), 17, h.ST)
				one = message(one, 3, inner)
			}
			out = message(out, 5, one)
		}
	}
	if salt != "" {
		symbol(salt)
	}
	for _, s := range order {
		dst = protowire.AppendString(protowire.AppendTag(dst, 4, protowire.BytesType), s)
	}
	return append(dst, out...)
}

// appendHistogram appends the fields that both versions of the protocol share.
func appendHistogram(b []byte, h *histogram.FloatHistogram, t int64) []byte {
	b = double(b, 2, h.Count)
	b = double(b, 3, h.Sum)
	b = protowire.AppendVarint(protowire.AppendTag(b, 4, protowire.VarintType), protowire.EncodeZigZag(int64(h.Schema)))
	b = double(b, 5, h.ZeroThreshold)
	b = double(b, 7, h.ZeroCount)
	b = spans(b, 8, h.NegativeSpans)
	b = doubles(b, 10, h.NegativeBuckets)
	b = spans(b, 11, h.PositiveSpans)
	b = doubles(b, 13, h.PositiveBuckets)
	b = integer(b, 14, int64(h.CounterResetHint))
	b = integer(b, 15, t)
	return doubles(b, 16, h.CustomValues)
}

func spans(b []byte, field protowire.Number, all []histogram.Span) []byte {
	var one []byte
	for _, s := range all {
		one = protowire.AppendVarint(protowire.AppendTag(one[:0], 1, protowire.VarintType), protowire.EncodeZigZag(int64(s.Offset)))
		b = message(b, field, integer(one, 2, int64(s.Length)))
	}
	return b
}

func doubles(b []byte, field protowire.Number, all []float64) []byte {
	if len(all) == 0 {
		return b
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(8*len(all)))
	for _, v := range all {
		b = protowire.AppendFixed64(b, math.Float64bits(v))
	}
	return b
}

// double is always written, because only its absence would be a 0, and -0 is none.
func double(b []byte, field protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), math.Float64bits(v))
}

func integer(b []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func text(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func message(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}
