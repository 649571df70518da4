package openslo

import (
	"fmt"
	"math"
	"slices"
	"strings"

	counted "loadline/internal/sli"
	"loadline/query/promql/expression"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
	"loadline/slo/spec/phrase"
)

// sli says how something is measured.
type sli struct {
	threshold        *metric
	good, bad, total *metric
	raw              *metric
	failures         bool // of raw: it is the share of bad events
	counter          bool
	at               spec.Problem
}

// metric is a metric source with what its spec says, of which the type decides what counts.
type metric struct {
	kind   string // lower case; empty where the source referred to decides
	source reference
	query  string // of Prometheus
	spans  *counted.Indicator
	ours   bool // the spec is of our own type
	parts  *spec.Composite
	at     spec.Problem
}

func readSLI(m *document.Map) *sli {
	s := &sli{at: m.Value().Problem()}
	describe(m)
	threshold, ratio := m.Get("thresholdMetric"), m.Get("ratioMetric")
	switch {
	case threshold.Set() == ratio.Set():
		m.Value().Error("has both of thresholdMetric and ratioMetric, or none", "write one of them")
	case threshold.Set():
		body := threshold.Map()
		s.threshold = readMetric(body.Require("metricSource", "say where the values are"))
		body.Done()
	default:
		s.readRatio(ratio.Map())
	}
	return s
}

func (s *sli) readRatio(m *document.Map) {
	source := func(name string) *metric {
		v := m.Get(name)
		if !v.Set() {
			return nil
		}
		body := v.Map()
		defer body.Done()
		return readMetric(body.Require("metricSource", "say where the numbers are"))
	}
	s.counter = m.Get("counter").Bool(false)
	s.good, s.bad, s.total, s.raw = source("good"), source("bad"), source("total"), source("raw")
	at := m.Value()
	switch {
	case s.raw != nil && (s.good != nil || s.bad != nil || s.total != nil):
		at.Error("has raw beside good, bad or total", "keep raw, or the others")
	case s.raw != nil:
		kind := m.Require("rawType", "write success if raw is the share of good events, failure if it is that of bad ones")
		s.failures = kind.Text() == "failure"
		if text := kind.Text(); text != "" && text != "success" && text != "failure" {
			kind.Error(fmt.Sprintf("%q is neither success nor failure", text), "write one of them")
		}
	case s.total == nil || (s.good == nil) == (s.bad == nil):
		at.Error("needs total, and one of good and bad", "or raw with rawType")
	}
	if v := m.Get("rawType"); v.Set() && s.raw == nil {
		v.Error("is there without raw", "leave it out")
	}
	m.Done()
}

func readMetric(v document.Value) *metric {
	m := v.Map()
	s := &metric{kind: strings.ToLower(m.Get("type").Text()), source: refer(m.Get("metricSourceRef")), at: v.Problem()}
	if s.kind == "" && s.source.name == "" && v.Set() {
		v.Error("has neither a type nor a metricSourceRef", "write type: prometheus or type: loadline")
	}
	body := m.Require("spec", "write the query")
	switch fields := body.Map(); {
	case s.kind == "loadline" || s.kind == "" && !fields.Has("query"):
		s.ours = true
		s.readOwn(fields)
		fields.Done()
	case body.Set():
		query := fields.Require("query", "write the PromQL expression")
		s.query = query.Text()
		if err := expression.Check(s.query); err != nil && s.query != "" && (s.kind == "" || usesPromQL(s.kind)) {
			query.Error("PromQL: "+err.Error(), "")
		}
		fields.Names() // sources may have fields of their own beside the query
	}
	m.Done()
	return s
}

// usesPromQL tells the types of sources that are asked in PromQL.
func usesPromQL(kind string) bool {
	return slices.Contains([]string{"prometheus", "thanos", "mimir", "cortex", "victoriametrics", "amazon-prometheus", "loadline-promql"}, kind)
}

// readOwn reads the spec of a source of our own type.
func (s *metric) readOwn(m *document.Map) {
	s.spans = &counted.Indicator{
		Service:    m.Get("service").Text(),
		Env:        m.Get("env").Text(),
		Operations: m.Get("operations").Texts(),
		Kinds:      m.Get("kinds").Texts(),
		GroupBy:    m.Get("group_by").Text(),
		MaxGroups:  int(m.Get("max_groups").Uint(math.MaxInt32, 0)),
	}
	sentence := func(name string, read func(text string) error) {
		v := m.Get(name)
		if !v.Set() {
			return
		}
		phrase.Report(v, read(v.Scalar()))
	}
	sentence("where", func(text string) (err error) {
		s.spans.Matchers, err = phrase.ParseWhere(text)
		return err
	})
	var bad []counted.Matcher
	sentence("bad", func(text string) (err error) {
		bad, err = phrase.ParseWhere(text)
		return err
	})
	sentence("good", func(text string) (err error) {
		s.spans.Bad, err = phrase.ParseGood(text)
		return err
	})
	s.spans.Bad.Matchers = bad
	sentence("combine", func(text string) (err error) {
		s.parts, err = phrase.ParseComposite(text)
		return err
	})
}

// indicator makes the model's indicator of the SLI. All its sources have their kinds by now.
func (s *sli) indicator(service string, op string, value float64) (spec.Indicator, error) {
	switch {
	case s.threshold != nil:
		if s.threshold.ours {
			return spec.Indicator{}, fmt.Errorf("thresholdMetric of type loadline: spans are counted by ratioMetric, with good: within 400ms")
		}
		return spec.Indicator{Threshold: &spec.Threshold{Query: s.threshold.query, Op: op, Value: value}}, nil
	case s.raw != nil:
		return s.rawIndicator()
	case s.total.ours:
		return s.spanIndicator(service)
	}
	r := &spec.Ratio{Total: s.query(s.total)}
	if s.good != nil {
		r.Good = s.query(s.good)
	} else {
		r.Bad = s.query(s.bad)
	}
	return spec.Indicator{Ratio: r}, nil
}

// query returns the increase of a counter, which OpenSLO leaves to whoever evaluates.
func (s *sli) query(m *metric) string {
	if !s.counter || expression.Ranged(m.query) {
		return m.query
	}
	if increase, ok := expression.Increase(m.query); ok {
		return increase
	}
	return m.query
}

func (s *sli) rawIndicator() (spec.Indicator, error) {
	if s.raw.parts != nil {
		return spec.Indicator{Composite: s.raw.parts}, nil
	}
	if s.raw.ours {
		return spec.Indicator{}, fmt.Errorf("raw of type loadline needs combine: %s", `write combine: "all of checkout, payment"`)
	}
	r := spec.RatioOfShare(s.raw.query, s.failures)
	return spec.Indicator{Ratio: r}, nil
}

func (s *sli) spanIndicator(service string) (spec.Indicator, error) {
	i := *s.total.spans
	if i.Service == "" {
		i.Service = service
	}
	part := s.good
	if part == nil {
		part = s.bad
	}
	if !part.ours {
		return spec.Indicator{}, fmt.Errorf("total counts spans and the other does not: use type loadline for both")
	}
	i.Bad = part.spans.Bad
	return spec.Indicator{Spans: &i}, nil
}
