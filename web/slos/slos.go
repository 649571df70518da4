// Package slos is the pages of service level objectives: which promises are kept, where the budgets go, and the form in
// which a promise is written beside what it would have done.
package slos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/a-h/templ"

	"loadline/internal/sli"
	"loadline/query/indicator"
	"loadline/slo"
	"loadline/slo/budget/forecast"
	"loadline/slo/registry"
	"loadline/slo/spec"
	"loadline/web/panel"
	"loadline/web/slos/screen"
	"loadline/web/slos/trial"
	"loadline/web/view"
)

// engine is what the pages ask of the engine of objectives. Methods may be called concurrently.
type engine interface {
	Statuses() []slo.Status
	Status(ref slo.Ref) (slo.Status, bool)
	Groups(name, objective string) []slo.Status
	SLO(name string) (spec.SLO, bool)
	Budget(ctx context.Context, ref slo.Ref, from, to time.Time, points int) (slo.BudgetChart, error)
	BurnChart(ctx context.Context, ref slo.Ref, from, to time.Time, points int) (slo.BurnChart, error)
	Events(ctx context.Context, filter slo.EventFilter) ([]slo.Event, error)
	Spenders(ctx context.Context, ref slo.Ref, from, to time.Time) (indicator.Spenders, error)
	Examples(ctx context.Context, ref slo.Ref, from, to time.Time, limit int) ([]indicator.Example, error)
	Preview(ctx context.Context, s spec.SLO, objective int, from, to time.Time, grid bool) (slo.Preview, error)
	Suggestions(ctx context.Context) ([]indicator.Suggestion, error)
	Operations(ctx context.Context, ind sli.Indicator) ([]indicator.Operation, error)
	Forecast(ctx context.Context, ref slo.Ref) (forecast.Forecast, error)
	Report(ctx context.Context, name string, month time.Time) (slo.Report, error)
	Corrections(ctx context.Context, name string) ([]slo.Correction, error)
	Correct(ctx context.Context, c slo.Correction) (slo.Correction, error)
	Withdraw(ctx context.Context, id uint64, author string) error
	Registry() *registry.Registry
}

// Config is what [Pages] need. All fields have to be set.
type Config struct {
	Engine engine
	Board  *panel.Board
	Now    func() time.Time
	Logger *slog.Logger

	// Page starts a page, Render writes it, and Message writes one that only says something. Redirected answers addresses
	// that have a shorter form, and reports whether it did.
	Page       func(r *http.Request, nav, title string) view.Page
	Render     func(w http.ResponseWriter, r *http.Request, code int, c templ.Component)
	Message    func(w http.ResponseWriter, r *http.Request, code int, m view.Message)
	Redirected func(w http.ResponseWriter, r *http.Request) bool
}

// Pages answers the requests for the pages of objectives.
type Pages struct {
	config Config
	runner *trial.Runner
}

// New returns the pages.
func New(config Config) *Pages {
	return &Pages{config: config, runner: trial.NewRunner(config.Board, config.Engine.Preview)}
}

// Register makes mux serve the pages at /slos and below. Nil pages serve nothing.
func (s *Pages) Register(mux *http.ServeMux) {
	if s == nil {
		return
	}
	guard := http.NewCrossOriginProtection() // nobody logs in here, so that another site's form would do
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.config.Message(w, r, http.StatusForbidden, view.Message{
			Title: "Refused", Text: "A page of another site has sent this form. Open Loadline itself and try again.",
			Actions: []view.Choice{{Label: "SLOs", Href: "/slos"}},
		})
	}))
	post := func(path string, handler http.HandlerFunc) {
		mux.Handle("POST "+path, guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			err := r.ParseForm()
			var large *http.MaxBytesError
			switch {
			case errors.As(err, &large):
				http.Error(w, fmt.Sprintf("the form has more than %d MiB", large.Limit>>20), http.StatusRequestEntityTooLarge)
				return
			case err != nil:
				http.Error(w, "the form cannot be read", http.StatusBadRequest)
				return
			}
			handler(w, r)
		})))
	}
	mux.HandleFunc("GET /slos", s.list)
	mux.HandleFunc("GET /slos/new", s.create)
	post("/slos/new", s.create)
	mux.HandleFunc("GET /slos/{name}", s.detail)
	mux.HandleFunc("GET /slos/{name}/edit", s.edit)
	post("/slos/{name}/edit", s.edit)
	post("/slos/{name}/delete", s.remove)
	post("/slos/{name}/corrections", s.correct)
	post("/slos/{name}/corrections/withdraw", s.withdraw)
	mux.HandleFunc("GET /slos/{name}/report", s.report)
}

// maxForm bounds a form, which may have a definition as text.
const maxForm = 2 << 20

// patience is how long a page waits for a panel that has to read spans.
const patience = 3 * time.Second

// Risks is how many objectives are at risk or breached, for the navigation. Nil pages have none.
func (s *Pages) Risks() int {
	if s == nil {
		return 0
	}
	n := 0
	for _, st := range s.config.Engine.Statuses() {
		if st.Health == slo.AtRisk || st.Health == slo.Breached {
			n++
		}
	}
	return n
}

// Choices are the SLOs as a list to jump to, at most 300. Nil pages have none.
func (s *Pages) Choices(p view.Page) []view.Choice {
	if s == nil {
		return nil
	}
	var out []view.Choice
	all, _ := s.config.Engine.Registry().Current()
	for i := range all[:min(len(all), 300)] {
		out = append(out, view.Choice{Label: all[i].Title(), Href: p.Link(screen.Path(all[i].Name))})
	}
	return out
}

// missing answers for an SLO that there is not.
func (s *Pages) missing(w http.ResponseWriter, r *http.Request, name string) {
	p := s.config.Page(r, "slos", name)
	s.config.Message(w, r, http.StatusNotFound, view.Message{
		Title: "There is no such SLO", Text: "No SLO is called " + name + ". It may have been deleted or renamed.",
		Actions: []view.Choice{{Label: "All SLOs", Href: p.Link("/slos")}, {Label: "New SLO", Href: p.Link("/slos/new")}},
	})
}

// crumbs is the path to a page of an SLO.
func crumbs(p view.Page, steps ...view.Crumb) []view.Crumb {
	return append([]view.Crumb{{Label: "SLOs", Href: p.Link("/slos")}}, steps...)
}

// late runs a function that may take long, and gives up waiting when the page should be sent.
func late(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := fn(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("it takes longer than a page should wait: choose a shorter time")
	}
	return err
}
