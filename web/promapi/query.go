package promapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/stats"

	"loadline/web/promapi/render"
)

var errTruncated = errors.New("results truncated due to limit")

// query answers an instant query.
func (a *API) query(_ http.ResponseWriter, r *http.Request) answer {
	at, f := timeParam(r.Form, "time", a.cfg.Now())
	if f != nil {
		return failed(f)
	}
	return a.evaluate(r, func(ctx context.Context, o promql.QueryOpts, query string) (promql.Query, error) {
		return a.cfg.Engine.NewInstantQuery(ctx, a.cfg.Store, o, query, at)
	})
}

// queryRange answers a range query.
func (a *API) queryRange(_ http.ResponseWriter, r *http.Request) answer {
	s, f := stepsParams(r.Form)
	if f != nil {
		return failed(f)
	}
	return a.evaluate(r, func(ctx context.Context, o promql.QueryOpts, query string) (promql.Query, error) {
		return a.cfg.Engine.NewRangeQuery(ctx, a.cfg.Store, o, query, s.start, s.end, s.step)
	})
}

// prepare makes a query of the engine.
type prepare func(context.Context, promql.QueryOpts, string) (promql.Query, error)

// evaluate runs a query when there is a slot for it.
func (a *API) evaluate(r *http.Request, prepare prepare) answer {
	limit, f := limitParam(r.Form)
	if f != nil {
		return failed(f)
	}
	timeout, f := timeoutParam(r.Form, a.cfg.Timeout)
	if f != nil {
		return failed(f)
	}
	options, f := queryOptions(r.Form, r.Header)
	if f != nil {
		return failed(f)
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	if f := a.acquire(ctx); f != nil {
		return failed(f)
	}
	defer a.release()
	text := r.Form.Get("query")
	query, err := prepare(ctx, options, text)
	if err != nil {
		return failed(prepareFailure(err))
	}
	result := query.Exec(ctx)
	if result.Err != nil {
		query.Close()
		return failed(fail(result.Err))
	}
	ans := answer{warnings: result.Warnings, query: text, done: query.Close}
	if limit > 0 && truncate(result, limit) {
		ans.warnings.Add(errTruncated)
	}
	data := render.QueryData{Value: result.Value, Exact: exact(r)}
	if s := r.Form.Get("stats"); s != "" {
		if s != "true" && s != "all" {
			ans.warnings.Add(fmt.Errorf("value %q for parameter \"stats\" is deprecated and will be rejected in the next major release, use %q or %q", s, "true", "all"))
		}
		data.Stats = stats.NewQueryStats(query.Stats())
	}
	ans.data = data
	return ans
}

// queryOptions returns what a request wants of the engine.
func queryOptions(form url.Values, h http.Header) (promql.QueryOpts, *failure) {
	var lookback time.Duration
	if s := form.Get("lookback_delta"); s != "" {
		var err error
		if lookback, err = parseDuration(s); err != nil {
			return nil, failf(badData, "error parsing lookback delta duration: %w", err)
		}
	}
	var startTimestamps *bool
	if s := h.Get("X-Prometheus-Use-Start-Timestamps"); s != "" {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return nil, failf(badData, "error parsing X-Prometheus-Use-Start-Timestamps header: %w", err)
		}
		startTimestamps = &b
	}
	return promql.NewPrometheusQueryOpts(form.Get("stats") == "all", lookback, startTimestamps), nil
}

// prepareFailure gives an error of the engine before evaluation its type: most are mistakes in the query.
func prepareFailure(err error) *failure {
	var (
		byCancel  promql.ErrQueryCanceled
		byTimeout promql.ErrQueryTimeout
	)
	if errors.As(err, &byCancel) || errors.As(err, &byTimeout) {
		return fail(err)
	}
	return invalid("query", err)
}

// truncate leaves limit series of a result and reports whether there were more.
func truncate(r *promql.Result, limit int) bool {
	switch v := r.Value.(type) {
	case promql.Matrix:
		if len(v) > limit {
			r.Value = v[:limit]
			return true
		}
	case promql.Vector:
		if len(v) > limit {
			r.Value = v[:limit]
			return true
		}
	}
	return false
}
