package promapi

import (
	"context"
	"maps"
	"net/http"
	"runtime"
	"slices"

	"loadline/query/promql/store"
)

// compatible is the version of Prometheus that the engine is of and that this API is like. Clients switch features on
// by it: Grafana offers UTF-8 names and limits from 3.0 on.
const compatible = "3.16.0"

// buildInfo answers which Prometheus this is like, and which Loadline it is. It has no key "features": Grafana takes
// who has one for Mimir.
func (a *API) buildInfo(http.ResponseWriter, *http.Request) answer {
	return answer{data: struct {
		Version          string `json:"version"`
		Revision         string `json:"revision"`
		Branch           string `json:"branch"`
		BuildUser        string `json:"buildUser"`
		BuildDate        string `json:"buildDate"`
		GoVersion        string `json:"goVersion"`
		LoadlineVersion  string `json:"loadlineVersion"`
		LoadlineRevision string `json:"loadlineRevision"`
	}{Version: compatible, Revision: a.cfg.Revision, GoVersion: runtime.Version(), LoadlineVersion: a.cfg.Version, LoadlineRevision: a.cfg.Revision}}
}

// metricInfo describes a metric family.
type metricInfo struct {
	Type string `json:"type"`
	Unit string `json:"unit"`
	Help string `json:"help"`
}

func (a *API) metadata(_ http.ResponseWriter, r *http.Request) answer {
	limit, f := numberParam(r.Form, "limit", -1)
	if f != nil {
		return failed(f)
	}
	perMetric, f := numberParam(r.Form, "limit_per_metric", -1)
	if f != nil {
		return failed(f)
	}
	out := map[string][]metricInfo{}
	if limit == 0 {
		return answer{data: out}
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout)
	defer cancel()
	found, err := a.cfg.Store.Metadata(ctx, r.Form.Get("metric"), max(limit, 0), max(perMetric, 0))
	if err != nil {
		return failed(fail(err))
	}
	// The store limits what it reads; by name, so that the same request has the same answer.
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if limit > 0 && len(out) == limit {
			break
		}
		out[name] = describe(found[name], perMetric)
	}
	return answer{data: out}
}

// describe returns the different descriptions of a metric family, at most so many of them.
func describe(all []store.Metadata, most int) []metricInfo {
	out := []metricInfo{}
	for _, m := range all {
		info := metricInfo{Type: m.Type, Unit: m.Unit, Help: m.Help}
		if (most <= 0 || len(out) < most) && !slices.Contains(out, info) {
			out = append(out, info)
		}
	}
	return out
}

// Count is a name and how many there are of it.
type Count struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// Cardinality is how many series and labels are stored, and which names and values have most of them.
type Cardinality struct {
	Series     uint64
	LabelPairs int
	Chunks     int64
	MinTime    int64 // Unix milliseconds
	MaxTime    int64 // Unix milliseconds

	SeriesByMetric    []Count
	ValuesByLabel     []Count
	BytesByLabel      []Count
	SeriesByLabelPair []Count // names are of the form name=value
}
