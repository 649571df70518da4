package promapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"loadline/query/promql/store"
	"loadline/query/promql/store/cardinality"
	"loadline/web/promapi/failure"
	"loadline/web/promapi/param"
)

// compatible is the version of Prometheus that the engine is of and that this API is like. Clients switch features on
// by it: Grafana offers UTF-8 names and limits from 3.0 on.
const compatible = "3.16.0"

// buildInfo answers which Prometheus this is like, and which Loadline it is. It has no key "features": Grafana takes
// who has one for Mimir.
func (a *API) buildInfo(*http.Request) answer {
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

func (a *API) metadata(r *http.Request) answer {
	limit, f := param.Number(r.Form, "limit", -1)
	if f != nil {
		return failed(f)
	}
	perMetric, f := param.Number(r.Form, "limit_per_metric", -1)
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
		return failed(failure.In(ctx, err))
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

// allMetadata describes all metric families.
func (a *API) allMetadata(ctx context.Context) (map[string][]store.Metadata, error) {
	return a.cfg.Store.Metadata(ctx, "", 0, 0)
}

// maxSearch is how many results a search may ask for.
const maxSearch = 10_000

func (a *API) runtimeInfo(*http.Request) answer {
	host, err := os.Hostname()
	if err != nil {
		return failed(&failure.Error{Kind: failure.Internal, Err: fmt.Errorf("name of the host: %w", err)})
	}
	dir, err := os.Getwd()
	if err != nil {
		return failed(&failure.Error{Kind: failure.Internal, Err: fmt.Errorf("working directory: %w", err)})
	}
	return answer{data: struct {
		StartTime           time.Time `json:"startTime"`
		CWD                 string    `json:"CWD"`
		Hostname            string    `json:"hostname"`
		ServerTime          time.Time `json:"serverTime"`
		ReloadConfigSuccess bool      `json:"reloadConfigSuccess"`
		LastConfigTime      time.Time `json:"lastConfigTime"`
		CorruptionCount     int64     `json:"corruptionCount"`
		GoroutineCount      int       `json:"goroutineCount"`
		GOMAXPROCS          int       `json:"GOMAXPROCS"`
		GOMEMLIMIT          int64     `json:"GOMEMLIMIT"`
		GOGC                string    `json:"GOGC"`
		GODEBUG             string    `json:"GODEBUG"`
		StorageRetention    string    `json:"storageRetention"`
	}{
		StartTime: a.started, CWD: dir, Hostname: host, ServerTime: a.cfg.Now().UTC(), ReloadConfigSuccess: true, LastConfigTime: a.started,
		GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0), GOMEMLIMIT: debug.SetMemoryLimit(-1),
		GOGC: os.Getenv("GOGC"), GODEBUG: os.Getenv("GODEBUG"), StorageRetention: a.cfg.Retention,
	}}
}

func (a *API) config(*http.Request) answer {
	text := ""
	if a.cfg.ConfigYAML != nil {
		text = a.cfg.ConfigYAML()
	}
	return answer{data: map[string]string{"yaml": text}}
}

func (a *API) flags(*http.Request) answer {
	if a.cfg.Flags == nil {
		return answer{data: map[string]string{}}
	}
	return answer{data: a.cfg.Flags}
}

// walReplay says that nothing is being replayed: the API is served when that is over.
func (a *API) walReplay(*http.Request) answer {
	return answer{data: struct {
		Min     int `json:"min"`
		Max     int `json:"max"`
		Current int `json:"current"`
	}{}}
}

// blocks says that there are no blocks of Prometheus's own storage.
func (a *API) blocks(*http.Request) answer { return answer{data: map[string][]string{"blocks": {}}} }

func (a *API) notifications(*http.Request) answer { return answer{data: []string{}} }

// admin refuses what changes the storage of Prometheus, as Prometheus does by default.
func (a *API) admin(*http.Request) answer {
	return failed(failure.New(failure.Unavailable, "admin APIs disabled"))
}

// maxCounts is how many names status/tsdb lists at most.
const maxCounts = 10_000

func (a *API) cardinality(r *http.Request) answer {
	limit := 10
	if s := r.Form.Get("limit"); s != "" {
		var err error
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 {
			return failed(failure.New(failure.BadData, "limit must be a positive number"))
		}
		if limit > maxCounts {
			return failed(failure.New(failure.BadData, "limit must not exceed %d", maxCounts))
		}
	}
	var c Cardinality
	if a.cfg.Describe != nil {
		ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout)
		defer cancel()
		var err error
		if c, err = a.cfg.Describe(ctx, limit); err != nil {
			return failed(failure.In(ctx, err))
		}
	}
	return answer{data: map[string]any{
		"headStats": map[string]any{
			"numSeries": c.Series, "numLabelPairs": c.LabelPairs, "chunkCount": c.Chunks, "minTime": c.MinTime, "maxTime": c.MaxTime,
		},
		"seriesCountByMetricName":     first(c.SeriesByMetric, limit),
		"labelValueCountByLabelName":  first(c.ValuesByLabel, limit),
		"memoryInBytesByLabelName":    first(c.BytesByLabel, limit),
		"seriesCountByLabelValuePair": first(c.SeriesByLabelPair, limit),
	}}
}

// Cardinality is how many series and labels are stored, and which names and values have most of them.
type Cardinality = cardinality.Stats

// Count is a number of a name.
type Count = cardinality.Count

// count is a number of a name in an answer.
type count struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// first returns up to n counts, and an empty list rather than none.
func first(all []Count, n int) []count {
	out := []count{}
	for _, c := range all[:min(n, len(all))] {
		out = append(out, count(c))
	}
	return out
}
