package promapi

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/features"

	"loadline/web/promapi/failure"
	"loadline/web/promapi/param"
	"loadline/web/promapi/render"
	"loadline/web/promapi/rules"
)

// targets says that nothing is scraped: metrics are sent here.
func (a *API) targets(*http.Request) answer {
	return answer{data: struct {
		Active        []string       `json:"activeTargets"`
		Dropped       []string       `json:"droppedTargets"`
		DroppedCounts map[string]int `json:"droppedTargetCounts"`
	}{[]string{}, []string{}, map[string]int{}}}
}

// targetMetadata says what targets expose, of which there are none.
func (a *API) targetMetadata(r *http.Request) answer {
	if _, f := param.Number(r.Form, "limit", -1); f != nil {
		return failed(f)
	}
	if s := r.Form.Get("match_target"); s != "" {
		if _, err := a.cfg.Parser.ParseMetricSelector(s); err != nil {
			return failed(failure.Invalid("match_target", err))
		}
	}
	return answer{data: []string{}}
}

func (a *API) scrapePools(*http.Request) answer {
	return answer{data: map[string][]string{"scrapePools": {}}}
}

// alertmanagers says that alerts go to no Alertmanager.
func (a *API) alertmanagers(*http.Request) answer {
	return answer{data: struct {
		Active  []string `json:"activeAlertmanagers"`
		Dropped []string `json:"droppedAlertmanagers"`
	}{[]string{}, []string{}}}
}

// groups returns the groups of rules there are.
func (a *API) groups(ctx context.Context) ([]rules.Group, *failure.Error) {
	if a.cfg.Rules == nil {
		return nil, nil
	}
	groups, err := a.cfg.Rules(ctx)
	if err != nil {
		return nil, &failure.Error{Kind: failure.Internal, Err: err}
	}
	return groups, nil
}

func (a *API) rules(r *http.Request) answer {
	groups, f := a.groups(r.Context())
	if f != nil {
		return failed(f)
	}
	list, f := rules.List(groups, r.Form, a.cfg.Parser)
	if f != nil {
		return failed(f)
	}
	return answer{data: list}
}

func (a *API) alerts(r *http.Request) answer {
	groups, f := a.groups(r.Context())
	if f != nil {
		return failed(f)
	}
	return answer{data: rules.Alerts(groups)}
}

// features answers what the API and the engine can, by category.
func (a *API) features(*http.Request) answer {
	// Operators are easier to read when they are not escaped, and nothing here is from outside.
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	if err := out.Encode(featureList(a.cfg.Parser, a.cfg.Features)); err != nil {
		return failed(&failure.Error{Kind: failure.Internal, Err: err})
	}
	return answer{data: render.Raw(bytes.TrimSpace(b.Bytes()))}
}

func featureList(p parser.Parser, more map[string]map[string]bool) map[string]map[string]bool {
	r := features.NewRegistry()
	p.RegisterFeatures(r)
	for _, name := range []string{
		"exclude_alerts", "label_values_match", "otlp_write_receiver", "query_stats", "query_warnings", "remote_write_receiver", "search",
		"search_fuzz_alg_jarowinkler", "search_fuzz_alg_subsequence", "time_range_labels", "time_range_series",
	} {
		r.Enable(features.API, name)
	}
	for _, name := range []string{"admin", "lifecycle", "query_cost", "openapi_3.1", "openapi_3.2"} {
		r.Disable(features.API, name)
	}
	for _, name := range []string{"at_modifier", "negative_offset", "per_query_lookback_delta", "per_step_stats", "subqueries"} {
		r.Enable(features.PromQL, name)
	}
	r.Enable(features.TSDB, "native_histograms")
	r.Enable(features.TSDB, "exemplar_storage")
	all := r.Get()
	for category, names := range more {
		if all[category] == nil {
			all[category] = map[string]bool{}
		}
		maps.Copy(all[category], names)
	}
	return all
}
