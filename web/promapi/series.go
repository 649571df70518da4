package promapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/web/promapi/failure"
	"loadline/web/promapi/param"
)

// selection is what the requests for labels and series have in common.
type selection struct {
	limit    int
	mint     int64
	maxt     int64
	matchers [][]*labels.Matcher
}

// selection parses the parameters limit, start, end and match[]. The last is wrapped as upstream does when wrap is set.
func (a *API) selection(r *http.Request, wrap bool) (s selection, f *failure.Error) {
	if s.limit, f = param.Limit(r.Form); f != nil {
		return s, f
	}
	start, end, f := param.Range(r.Form)
	if f != nil {
		return s, f
	}
	s.mint, s.maxt = timestamp.FromTime(start), timestamp.FromTime(end)
	var err error
	if s.matchers, err = param.Matchers(a.cfg.Parser, r.Form["match[]"]); err != nil {
		if wrap {
			return s, failure.Invalid("match[]", err)
		}
		return s, &failure.Error{Kind: failure.BadData, Err: err}
	}
	return s, nil
}

func (a *API) labelNames(r *http.Request) answer {
	return a.list(r, func(ctx context.Context, q storage.Querier, h *storage.LabelHints, m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelNames(ctx, h, m...)
	})
}

func (a *API) labelValues(r *http.Request) answer {
	name, _ := labelName(r.URL.EscapedPath())
	if strings.HasPrefix(name, "U__") {
		name = model.UnescapeName(name, model.ValueEncodingEscaping)
	}
	if !model.UTF8Validation.IsValidLabelName(name) {
		return failed(failure.New(failure.BadData, "invalid label name: %q", name))
	}
	return a.list(r, func(ctx context.Context, q storage.Querier, h *storage.LabelHints, m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelValues(ctx, name, h, m...)
	})
}

// lookup returns label names or values.
type lookup func(context.Context, storage.Querier, *storage.LabelHints, []*labels.Matcher) ([]string, annotations.Annotations, error)

// list answers with the names or values of all selectors together, sorted.
func (a *API) list(r *http.Request, lookup lookup) answer {
	s, f := a.selection(r, false)
	if f != nil {
		return failed(f)
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout)
	defer cancel()
	q, err := a.cfg.Store.Querier(s.mint, s.maxt)
	if err != nil {
		return failed(failure.In(ctx, err))
	}
	defer q.Close()
	if len(s.matchers) == 0 {
		s.matchers = [][]*labels.Matcher{nil}
	}
	var ans answer
	items := []string{}
	seen := map[string]struct{}{}
	for _, matchers := range s.matchers {
		found, warnings, err := lookup(ctx, q, &storage.LabelHints{Limit: param.HintLimit(s.limit)}, matchers)
		if err != nil {
			return failed(failure.In(ctx, err))
		}
		ans.warnings.Merge(warnings)
		if len(s.matchers) == 1 {
			items = append(items, found...)
			break
		}
		for _, item := range found {
			seen[item] = struct{}{}
		}
	}
	items = slices.AppendSeq(items, maps.Keys(seen))
	slices.Sort(items)
	if s.limit > 0 && len(items) > s.limit {
		items = items[:s.limit]
		ans.warnings.Add(errTruncated)
	}
	ans.data = items
	return ans
}

// series answers with the label sets that selectors select.
func (a *API) series(r *http.Request) answer {
	if len(r.Form["match[]"]) == 0 {
		return failed(failure.New(failure.BadData, "no match[] parameter provided"))
	}
	s, f := a.selection(r, true)
	if f != nil {
		return failed(f)
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout)
	defer cancel()
	if f := a.slots.acquire(ctx); f != nil {
		return failed(f)
	}
	defer a.slots.release()
	q, err := a.cfg.Store.Querier(s.mint, s.maxt)
	if err != nil {
		return failed(failure.In(ctx, err))
	}
	defer q.Close()
	// There is no function of that name: it tells the store that samples are not needed.
	hints := &storage.SelectHints{Start: s.mint, End: s.maxt, Func: "series", Limit: param.HintLimit(s.limit)}
	return collect(ctx, selectAll(ctx, q, hints, s.matchers), s.limit)
}

// selectAll selects what any of the selectors does.
func selectAll(ctx context.Context, q storage.Querier, hints *storage.SelectHints, selectors [][]*labels.Matcher) storage.SeriesSet {
	if len(selectors) == 1 {
		return q.Select(ctx, true, hints, selectors[0]...)
	}
	sets := make([]storage.SeriesSet, 0, len(selectors))
	for _, matchers := range selectors {
		sets = append(sets, q.Select(ctx, true, hints, matchers...))
	}
	return storage.NewMergeSeriesSet(sets, 0, storage.ChainedSeriesMerge)
}

// checkEvery is after how many series the client is looked for.
const checkEvery = 128

func collect(ctx context.Context, set storage.SeriesSet, limit int) answer {
	all := []labels.Labels{}
	var truncated bool
	for set.Next() {
		if limit > 0 && len(all) == limit {
			truncated = true
			break
		}
		all = append(all, set.At().Labels())
		if len(all)%checkEvery == 0 && ctx.Err() != nil {
			return failed(failure.In(ctx, fmt.Errorf("list series: %w", ctx.Err())))
		}
	}
	if err := set.Err(); err != nil {
		return failed(failure.In(ctx, err))
	}
	var ans answer
	ans.warnings.Merge(set.Warnings())
	if truncated {
		ans.warnings.Add(errTruncated)
	}
	ans.data = all
	return ans
}
