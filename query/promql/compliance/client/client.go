// Package client is a PromQL engine that asks a server: queries go to its HTTP API, and answers come back as the values
// that the upstream engine returns. It asks for the exact form of answers, in which histograms are complete.
package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/stats"
)

// Engine implements promql.QueryEngine.
type Engine struct {
	HTTP *http.Client
	// URL is that of the server which has the data of a storage, without a path.
	URL func(storage.Queryable) string
}

// NewInstantQuery implements promql.QueryEngine.
func (e *Engine) NewInstantQuery(_ context.Context, q storage.Queryable, _ promql.QueryOpts, qs string, at time.Time) (promql.Query, error) {
	return &query{engine: e, url: e.URL(q) + "/api/v1/query", form: url.Values{"query": {qs}, "time": {seconds(at)}}}, nil
}

// NewRangeQuery implements promql.QueryEngine.
func (e *Engine) NewRangeQuery(_ context.Context, q storage.Queryable, _ promql.QueryOpts, qs string, start, end time.Time, step time.Duration) (promql.Query, error) {
	form := url.Values{"query": {qs}, "start": {seconds(start)}, "end": {seconds(end)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)}}
	return &query{engine: e, url: e.URL(q) + "/api/v1/query_range", form: form}, nil
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

type query struct {
	engine *Engine
	url    string
	form   url.Values
}

// Exec implements promql.Query.
func (q *query) Exec(ctx context.Context) *promql.Result {
	result, err := q.engine.ask(ctx, q.url, q.form)
	if err != nil {
		return &promql.Result{Err: err}
	}
	return result
}

// Close implements promql.Query.
func (q *query) Close() {}

// Statement implements promql.Query. It is not known here.
func (q *query) Statement() parser.Statement { return nil }

// Stats implements promql.Query. They are not known here.
func (q *query) Stats() *stats.Statistics { return nil }

// Cancel implements promql.Query. The context of Exec does it here.
func (q *query) Cancel() {}

// String implements promql.Query.
func (q *query) String() string { return q.form.Get("query") }

type answer struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
	Warnings []string `json:"warnings"`
	Infos    []string `json:"infos"`
}

func (e *Engine) ask(ctx context.Context, to string, form url.Values) (*promql.Result, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Loadline-Exact", "1")
	resp, err := e.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("status %d: answer %q: %w", resp.StatusCode, body, err)
	}
	if a.Status != "success" {
		// The API says which parameter a syntax error is in; the engine does not know of parameters.
		return nil, errors.New(strings.TrimPrefix(a.Error, `invalid parameter "query": `))
	}
	value, err := decode(a.Data.ResultType, a.Data.Result)
	if err != nil {
		return nil, fmt.Errorf("answer %q: %w", body, err)
	}
	warnings := annotations.New()
	for _, text := range a.Warnings {
		warnings.Add(annotation{text, annotations.PromQLWarning})
	}
	for _, text := range a.Infos {
		warnings.Add(annotation{text, annotations.PromQLInfo})
	}
	return &promql.Result{Value: value, Warnings: *warnings}, nil
}

// annotation is a warning or an info with the text that it has in the API.
type annotation struct {
	text string
	kind error
}

func (a annotation) Error() string { return a.text }
func (a annotation) Unwrap() error { return a.kind }

func decode(kind string, result json.RawMessage) (parser.Value, error) {
	switch kind {
	case "matrix":
		var all []one
		err := json.Unmarshal(result, &all)
		matrix := make(promql.Matrix, 0, len(all))
		for _, s := range all {
			matrix = append(matrix, promql.Series{Metric: s.Metric, Floats: s.Values, Histograms: s.histograms()})
		}
		return matrix, err
	case "vector":
		var all []one
		err := json.Unmarshal(result, &all)
		vector := make(promql.Vector, 0, len(all))
		for _, s := range all {
			sample := promql.Sample{Metric: s.Metric}
			if s.Histogram != nil {
				sample.T, sample.H = s.Histogram.T, s.Histogram.H
			} else {
				sample.T, sample.F = s.Value.T, s.Value.F
			}
			vector = append(vector, sample)
		}
		return vector, err
	case "scalar":
		var p point
		err := json.Unmarshal(result, &p)
		return promql.Scalar{T: p.T, V: p.F}, err
	case "string":
		var p text
		err := json.Unmarshal(result, &p)
		return promql.String{T: p.T, V: p.V}, err
	}
	return nil, fmt.Errorf("unknown result type %q", kind)
}

type one struct {
	Metric     labels.Labels `json:"metric"`
	Value      point         `json:"value"`
	Values     points        `json:"values"`
	Histogram  *exact        `json:"histogram"`
	Histograms []exact       `json:"histograms"`
}

func (s one) histograms() []promql.HPoint {
	var all []promql.HPoint
	for _, h := range s.Histograms {
		all = append(all, promql.HPoint{T: h.T, H: h.H})
	}
	return all
}

// timestamp is Unix milliseconds, in JSON a number of seconds with up to three decimals.
type timestamp int64

// UnmarshalJSON implements json.Unmarshaler.
func (t *timestamp) UnmarshalJSON(b []byte) error {
	whole, fraction, _ := strings.Cut(string(b), ".")
	if len(fraction) > 3 {
		return fmt.Errorf("timestamp %s has more than milliseconds", b)
	}
	n, err := strconv.ParseInt(whole+fraction+"000"[len(fraction):], 10, 64)
	*t = timestamp(n)
	return err
}

// pair decodes [timestamp, value].
func pair(b []byte, value any) (int64, error) {
	var t timestamp
	parts := []any{&t, value}
	err := json.Unmarshal(b, &parts)
	if err == nil && len(parts) != 2 {
		err = fmt.Errorf("a point of %d parts", len(parts))
	}
	return int64(t), err
}

type point promql.FPoint

// UnmarshalJSON implements json.Unmarshaler.
func (p *point) UnmarshalJSON(b []byte) error {
	var s string
	t, err := pair(b, &s)
	if err != nil {
		return err
	}
	p.T = t
	p.F, err = strconv.ParseFloat(s, 64)
	return err
}

type points []promql.FPoint

// UnmarshalJSON implements json.Unmarshaler.
func (p *points) UnmarshalJSON(b []byte) error {
	var all []point
	err := json.Unmarshal(b, &all)
	for _, one := range all {
		*p = append(*p, promql.FPoint(one))
	}
	return err
}

type text struct {
	T int64
	V string
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *text) UnmarshalJSON(b []byte) (err error) {
	p.T, err = pair(b, &p.V)
	return err
}

// exact is a point whose histogram is the base64 of its protobuf form.
type exact struct {
	T int64
	H *histogram.FloatHistogram
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *exact) UnmarshalJSON(b []byte) error {
	var encoded string
	t, err := pair(b, &encoded)
	if err != nil {
		return err
	}
	binary, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	var h prompb.Histogram
	if err := h.Unmarshal(binary); err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	p.T, p.H = t, h.ToFloatHistogram()
	return nil
}
