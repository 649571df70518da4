package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	stored "loadline/query/trace"
	"loadline/web/panel"
	"loadline/web/trace"
	"loadline/web/view"
)

// keepTrace is how long a trace that was read is kept, so that opening its spans does not read it again.
const keepTrace = 5 * time.Second

// An opened trace with its tree and rows.
type openTrace struct {
	*stored.Trace
	rows *trace.Waterfall
}

func (s *Server) readTrace(ctx context.Context, id stored.ID) (openTrace, error) {
	return panel.Cached(ctx, s.board, "trace "+id.String(), keepTrace, 0, func(ctx context.Context) (openTrace, error) {
		t, err := s.config.Store.Trace(ctx, id)
		if err != nil {
			return openTrace{}, err
		}
		return openTrace{t, trace.NewWaterfall(stored.BuildTree(t.Spans))}, nil
	})
}

// trace answers the page of one trace, or the trace as a file when the address ends in .json.
func (s *Server) trace(w http.ResponseWriter, r *http.Request) {
	if s.redirected(w, r) {
		return
	}
	text, export := strings.CutSuffix(r.PathValue("id"), ".json")
	id, err := stored.ParseID(text)
	if err != nil {
		s.noTrace(w, r, text, false)
		return
	}
	ctx := r.Context()
	t, err := s.readTrace(ctx, id)
	switch {
	case errors.Is(err, stored.ErrNotFound):
		s.noTrace(w, r, text, true)
		return
	case err != nil:
		s.config.Logger.Warn("trace failed", "trace", text, "err", err)
		s.message(w, r, http.StatusInternalServerError, view.Message{Title: "The trace could not be read", Text: err.Error(), Actions: []view.Choice{{Label: "Try again", Href: r.URL.RequestURI()}}})
		return
	}
	if export {
		w.Header().Set("Content-Disposition", `attachment; filename="trace-`+t.ID.String()+`.json"`)
		s.writeJSON(w, r, trace.Export(t.Trace))
		return
	}
	p := s.page(r, "traces", t.Services[0])
	logs, logsErr := s.config.Store.LogsOfTrace(ctx, id)
	selected := p.Query.Get("span")
	span, group := t.rows.Find(selected)
	if span == nil {
		selected = t.rows.Notable()
		span, group = t.rows.Find(selected)
	}
	v := trace.Page(p, t.Trace, t.rows, selected)
	p.Title, p.Script = v.Title, "trace.js"
	p.Crumbs = []view.Crumb{{Label: "Traces", Href: p.Link("/traces")}, {Label: view.Short(v.ID, 12)}}
	if len(logs) > 0 {
		v.Views[2].Count = strconv.Itoa(len(logs))
	}
	switch v.View {
	case "logs":
		v.Logs, v.LogsError = trace.Logs(p, logs, v.ID), s.board.Failure("The logs", logsErr)
	case "waterfall":
		if span != nil {
			d := s.detail(ctx, p, t, span, group, logs)
			v.Detail = &d
		}
	}
	s.render(w, r, http.StatusOK, view.TracePage(p, v))
}

// retryTrace is after how many seconds the page of a trace that is not there asks again.
const retryTrace = 3

// noTrace says why a trace may not be there. The page asks again a few times, since it may be on its way.
func (s *Server) noTrace(w http.ResponseWriter, r *http.Request, text string, valid bool) {
	p := s.page(r, "traces", "")
	m := view.Message{
		Title: "Trace not found", Text: "No span with trace id " + view.Short(text, 40) + " is stored.",
		Tips: []string{
			"It may have been sampled out before it came here.",
			"It may be older than what is kept.",
			"It may still be arriving: this page asks again by itself.",
		},
		Actions: []view.Choice{{Label: "Search traces", Href: p.Link("/traces")}},
		Retry:   retryTrace,
	}
	if !valid {
		m.Text, m.Tips, m.Retry = view.Short(text, 40)+" is no trace id: that would be 32 hexadecimal digits.", nil, 0
	}
	s.message(w, r, http.StatusNotFound, m)
}

// detail shapes the panel of a span. Large traces are read without details, so those are asked here.
func (s *Server) detail(ctx context.Context, p view.Page, t openTrace, span *stored.Span, group *stored.Repeat, logs []stored.LogRecord) view.SpanDetail {
	resource := t.Resources[span.ResourceID]
	var err error
	if t.WithoutDetail {
		var full *stored.Span
		var res *stored.Resource
		if full, res, err = s.config.Store.Span(ctx, t.ID, span.ID); err == nil {
			span, resource = full, res
		}
	}
	d := trace.Detail(p, t.rows, span, resource, group, logs, t.ID.String())
	d.Error = s.board.Failure("The attributes of this span", err)
	return d
}

// spanFragment answers the panel of a span alone: by its id, or by its row in a long waterfall as "@12".
func (s *Server) spanFragment(w http.ResponseWriter, r *http.Request) {
	id, err := stored.ParseID(r.PathValue("id"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	t, err := s.readTrace(r.Context(), id)
	if err != nil {
		code := http.StatusInternalServerError
		if errors.Is(err, stored.ErrNotFound) {
			code = http.StatusNotFound
		}
		http.Error(w, err.Error(), code)
		return
	}
	var span *stored.Span
	var group *stored.Repeat
	if row, ok := strings.CutPrefix(r.PathValue("span"), "@"); ok {
		n, err := strconv.Atoi(row)
		if err != nil {
			n = -1
		}
		span, group = t.rows.At(n)
	} else {
		span, group = t.rows.Find(r.PathValue("span"))
	}
	if span == nil {
		http.NotFound(w, r)
		return
	}
	p := s.page(r, "traces", "")
	p.Path = "/traces/" + id.String()
	logs, err := s.config.Store.LogsOfTrace(r.Context(), id)
	if err != nil {
		s.config.Logger.Warn("logs of a span", "err", err)
	}
	w.Header().Set("X-Span", span.ID.String())
	s.render(w, r, http.StatusOK, view.SpanDetails(s.detail(r.Context(), p, t, span, group, logs)))
}

// traceColumns answers the rows of a long waterfall.
func (s *Server) traceColumns(w http.ResponseWriter, r *http.Request) {
	id, err := stored.ParseID(r.PathValue("id"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	t, err := s.readTrace(r.Context(), id)
	if err != nil {
		code := http.StatusInternalServerError
		if errors.Is(err, stored.ErrNotFound) {
			code = http.StatusNotFound
		}
		http.Error(w, err.Error(), code)
		return
	}
	s.writeJSON(w, r, t.rows.Columns())
}
