// Package answer reads answers of the Prometheus HTTP API and prints them for people and programs.
package answer

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"
)

// Answer is an answer of the Prometheus HTTP API to a query.
type Answer struct {
	Status    string   `json:"status"`
	ErrorType string   `json:"errorType"`
	Error     string   `json:"error"`
	Warnings  []string `json:"warnings"`
	Infos     []string `json:"infos"`
	Data      struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
}

// Read decodes the body of an answer, be it a success or an error of the API; address and status are for its own error.
func Read(body io.Reader, address string, status int) (*Answer, error) {
	var a Answer
	if err := json.NewDecoder(body).Decode(&a); err != nil || a.Status != "success" && a.Error == "" {
		return nil, fmt.Errorf("%s answers with status %d and nothing of a PromQL API", address, status)
	}
	return &a, nil
}

// Series is one series of a vector or a matrix.
type Series struct {
	Metric     map[string]string `json:"metric"`
	Value      *Point            `json:"value"`
	Histogram  *Point            `json:"histogram"`
	Values     []Point           `json:"values"`
	Histograms []Point           `json:"histograms"`
}

// points are all points of the series in the order of time.
func (s *Series) points() []Point {
	points := append(slices.Clone(s.Values), s.Histograms...)
	for _, p := range []*Point{s.Value, s.Histogram} {
		if p != nil {
			points = append(points, *p)
		}
	}
	slices.SortStableFunc(points, func(x, y Point) int { return x.at.Compare(y.at) })
	return points
}

// Point is a value at a time. text is the value as the server spells it. A histogram's value is its count, and its
// text is count and sum.
type Point struct {
	at    time.Time
	value float64
	text  string
}

// UnmarshalJSON reads [time, "value"] or [time, {histogram}].
func (p *Point) UnmarshalJSON(data []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("a point of %d elements", len(pair))
	}
	var at float64
	if err := json.Unmarshal(pair[0], &at); err != nil {
		return fmt.Errorf("time of a point: %w", err)
	}
	p.at = unixTime(at)
	if err := json.Unmarshal(pair[1], &p.text); err == nil {
		p.value, err = strconv.ParseFloat(p.text, 64)
		if err != nil {
			return fmt.Errorf("value of a point: %w", err)
		}
		return nil
	}
	var h struct{ Count, Sum string }
	if err := json.Unmarshal(pair[1], &h); err != nil {
		return fmt.Errorf("value of a point: %w", err)
	}
	value, err := strconv.ParseFloat(h.Count, 64)
	if err != nil {
		return fmt.Errorf("count of a histogram: %w", err)
	}
	p.value, p.text = value, "count="+h.Count+" sum="+h.Sum
	return nil
}

func unixTime(seconds float64) time.Time {
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
}

// series decodes a vector or a matrix.
func (a *Answer) series() ([]Series, error) {
	var series []Series
	if err := json.Unmarshal(a.Data.Result, &series); err != nil {
		return nil, fmt.Errorf("decode a %s: %w", a.Data.Type, err)
	}
	return series, nil
}

// scalar decodes a scalar or a string.
func (a *Answer) scalar() (Point, error) {
	if a.Data.Type == "string" {
		var pair [2]any
		if err := json.Unmarshal(a.Data.Result, &pair); err != nil {
			return Point{}, fmt.Errorf("decode a string: %w", err)
		}
		at, _ := pair[0].(float64)
		text, _ := pair[1].(string)
		return Point{at: unixTime(at), text: text}, nil
	}
	var p Point
	if err := json.Unmarshal(a.Data.Result, &p); err != nil {
		return p, fmt.Errorf("decode a scalar: %w", err)
	}
	return p, nil
}
