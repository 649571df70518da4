package promapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/stats"

	"loadline/query/promql/results"
	"loadline/web/promapi/ast"
	"loadline/web/promapi/failure"
	"loadline/web/promapi/param"
	"loadline/web/promapi/render"
)

var errTruncated = errors.New("results truncated due to limit")

// query answers an instant query.
func (a *API) query(r *http.Request) answer {
	at, f := param.Time(r.Form, "time", a.cfg.Now())
	if f != nil {
		return failed(f)
	}
	return a.evaluate(r, func(ctx context.Context, o promql.QueryOpts, query string) (promql.Query, error) {
		return a.cfg.Engine.NewInstantQuery(ctx, a.cfg.Store, o, query, at)
	})
}

// queryRange answers a range query. With nocache=1, which Prometheus does not know, no result that was kept is used.
func (a *API) queryRange(r *http.Request) answer {
	s, f := param.ParseSteps(r.Form)
	if f != nil {
		return failed(f)
	}
	return a.evaluate(r, func(ctx context.Context, o promql.QueryOpts, query string) (promql.Query, error) {
		if r.Form.Get("nocache") == "1" {
			o = results.Bypass(o)
		}
		return a.cfg.Engine.NewRangeQuery(ctx, a.cfg.Store, o, query, s.Start, s.End, s.Step)
	})
}

// prepare makes a query of the engine.
type prepare func(context.Context, promql.QueryOpts, string) (promql.Query, error)

// evaluate runs a query when there is a slot for it.
func (a *API) evaluate(r *http.Request, prepare prepare) answer {
	limit, f := param.Limit(r.Form)
	if f != nil {
		return failed(f)
	}
	timeout, f := param.Timeout(r.Form, a.cfg.Timeout)
	if f != nil {
		return failed(f)
	}
	options, f := queryOptions(r.Form, r.Header)
	if f != nil {
		return failed(f)
	}
	text, f := param.Query(r.Form)
	if f != nil {
		return failed(f)
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	if f := a.slots.acquire(ctx); f != nil {
		return failed(f)
	}
	defer a.slots.release()
	query, err := prepare(ctx, options, text)
	if err != nil {
		return failed(prepareFailure(err))
	}
	result := query.Exec(ctx)
	if result.Err != nil {
		query.Close()
		return failed(failure.In(ctx, result.Err))
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
func queryOptions(form url.Values, h http.Header) (promql.QueryOpts, *failure.Error) {
	var lookback time.Duration
	if s := form.Get("lookback_delta"); s != "" {
		var err error
		if lookback, err = param.Duration(s); err != nil {
			return nil, failure.New(failure.BadData, "error parsing lookback delta duration: %w", err)
		}
	}
	var startTimestamps *bool
	if s := h.Get("X-Prometheus-Use-Start-Timestamps"); s != "" {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return nil, failure.New(failure.BadData, "error parsing X-Prometheus-Use-Start-Timestamps header: %w", err)
		}
		startTimestamps = &b
	}
	return promql.NewPrometheusQueryOpts(form.Get("stats") == "all", lookback, startTimestamps), nil
}

// prepareFailure gives an error of the engine before evaluation its type: most are mistakes in the query.
func prepareFailure(err error) *failure.Error {
	var (
		byCancel  promql.ErrQueryCanceled
		byTimeout promql.ErrQueryTimeout
	)
	if errors.As(err, &byCancel) || errors.As(err, &byTimeout) {
		return failure.Of(err)
	}
	return failure.Invalid("query", err)
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

// queryExemplars answers with the exemplars of the series that an expression selects.
func (a *API) queryExemplars(r *http.Request) answer {
	start, end, f := param.Range(r.Form)
	if f != nil {
		return failed(f)
	}
	if end.Before(start) {
		return failed(failure.New(failure.BadData, "end timestamp must not be before start timestamp"))
	}
	text, f := param.Query(r.Form)
	if f != nil {
		return failed(f)
	}
	expr, err := a.cfg.Parser.ParseExpr(text)
	if err != nil {
		return failed(&failure.Error{Kind: failure.BadData, Err: err})
	}
	selectors := parser.ExtractSelectors(expr)
	if len(selectors) == 0 {
		return answer{}
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout)
	defer cancel()
	if f := a.slots.acquire(ctx); f != nil {
		return failed(f)
	}
	defer a.slots.release()
	q, err := a.cfg.Store.ExemplarQuerier(ctx)
	if err != nil {
		return failed(failure.In(ctx, err))
	}
	found, err := q.Select(timestamp.FromTime(start), timestamp.FromTime(end), selectors...)
	if err != nil {
		return failed(failure.In(ctx, err))
	}
	return answer{data: found}
}

// parse returns the expression of a request.
func (a *API) parse(r *http.Request) (parser.Expr, *failure.Error) {
	text, f := param.Query(r.Form)
	if f != nil {
		return nil, f
	}
	expr, err := a.cfg.Parser.ParseExpr(text)
	if err != nil {
		return nil, failure.Invalid("query", err)
	}
	return expr, nil
}

func (a *API) formatQuery(r *http.Request) answer {
	expr, f := a.parse(r)
	if f != nil {
		return failed(f)
	}
	if err := param.Formattable(r.Form.Get("query")); err != nil {
		return failed(failure.Invalid("query", err))
	}
	return answer{data: expr.Pretty(0)}
}

func (a *API) parseQuery(r *http.Request) answer {
	expr, f := a.parse(r)
	if f != nil {
		return failed(f)
	}
	return answer{data: ast.Describe(expr)}
}
