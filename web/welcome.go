package web

import (
	"cmp"
	"fmt"
	"net/http"

	"loadline/query"
	"loadline/web/screen"
	"loadline/web/view"
)

// welcome answers the page that shows how to send data.
func (s *Server) welcome(w http.ResponseWriter, r *http.Request) {
	p := s.page(r, "welcome", "Get started")
	p.Crumbs = []view.Crumb{{Label: "Get started"}}
	p.Topics["checks"] = "checks"
	httpAddr, grpcAddr := screen.Receivers(r.Host, s.config.HTTPAddr, s.config.GRPCAddr)
	v := view.Welcome{Topic: "arrival", Lang: p.Query.Get("lang")}
	chosen := screen.Snippets[0]
	for _, l := range screen.Snippets {
		if l.ID == v.Lang {
			chosen = l
		}
	}
	for _, l := range screen.Snippets {
		v.Languages = append(v.Languages, view.Choice{Label: l.Label, Href: p.With("lang", l.ID), Current: l.ID == chosen.ID})
	}
	v.Snippet, v.Note = screen.Highlight(chosen.Snippet(httpAddr, grpcAddr)), chosen.Note
	v.Listening = "OTLP/gRPC on " + grpcAddr + ", OTLP/HTTP on " + httpAddr + "."
	v.Checks = s.board.Checks(p)
	v.Arrived, _ = s.board.Arrived(r.Context()) // a failing storage shows among the checks
	s.render(w, r, http.StatusOK, view.WelcomePage(p, v))
}

// settings answers how Loadline itself is.
func (s *Server) settings(w http.ResponseWriter, r *http.Request) {
	p := s.page(r, "settings", "Settings")
	p.Crumbs = []view.Crumb{{Label: "Settings"}}
	h := s.config.Health()
	ingest := []view.Item{
		{State: p.Ingest.State, Text: "Spans", Right: view.Rate(h.SpansPerSecond) + " /s"},
		{State: p.Ingest.State, Text: "Behind", Right: view.Duration(h.Lag), Sub: "from arrival until a page shows it"},
	}
	for _, f := range h.Facts {
		ingest = append(ingest, view.Item{Text: f.Label, Right: f.Value})
	}
	about := []view.Item{{Text: "Loadline", Right: cmp.Or(s.config.Version, "unknown version")}, {Text: "Storage", Right: h.Storage.Engine, Sub: h.Storage.Where}}
	v := view.Settings{Groups: []view.SettingsGroup{{Title: "Ingest", Items: ingest}, {Title: "Receivers and storage", Items: s.board.Checks(p)}, {Title: "Versions", Items: about}}}
	v.Tables = view.Plain{
		Title: "Storage", Sub: "tables, largest first", Empty: "No table.",
		Heads: []view.Column{{Label: "Table"}, {Label: "Rows", Numeric: true}, {Label: "On disk", Numeric: true}, {Label: "Uncompressed", Numeric: true}, {Label: "Bytes per row", Numeric: true}, {Label: "Parts", Numeric: true}, {Label: "Oldest", Numeric: true}},
	}
	stats, err := s.config.Store.Storage(r.Context())
	v.Tables.Error = s.board.Failure("The size of the tables", err)
	if stats != nil {
		v.Tables.Sub = view.Bytes(stats.Bytes) + " on disk, " + view.Count(float64(stats.Rows)) + " rows"
		for _, t := range stats.Tables {
			v.Tables.Rows = append(v.Tables.Rows, tableRow(t))
		}
	}
	s.render(w, r, http.StatusOK, view.SettingsPage(p, v))
}

func tableRow(t query.TableStats) []view.Cell {
	perRow, oldest := view.None, view.None
	if t.Rows > 0 {
		perRow = fmt.Sprintf("%.1f", float64(t.Bytes)/float64(t.Rows))
	}
	if !t.Oldest.IsZero() {
		oldest = t.Oldest.Format("2006-01-02")
	}
	return []view.Cell{
		{Text: t.Name, Mono: true},
		{Text: view.Count(float64(t.Rows))},
		{Text: view.Bytes(t.Bytes)},
		{Text: view.Bytes(t.RawBytes), Dim: true},
		{Text: perRow},
		{Text: view.Count(float64(t.Parts)), Dim: true},
		{Text: oldest, Dim: true},
	}
}
