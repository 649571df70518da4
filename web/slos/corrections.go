package slos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"loadline/slo"
	"loadline/slo/registry"
	"loadline/web/slos/page"
	"loadline/web/slos/screen"
	"loadline/web/view"
)

// localTime is how browsers write the time of a field, without a zone.
const localTime = "2006-01-02T15:04:05"

// corrections is the tab with the time that does not count. A form that was refused comes back as it was.
func (s *Pages) corrections(ctx context.Context, p view.Page, name string) page.Corrections {
	zone := zoneOf(p)
	to := p.Now.In(zone).Truncate(time.Minute)
	out := page.Corrections{
		From: to.Add(-time.Hour).Format(localTime), To: to.Format(localTime), Zone: "Times in " + zone.String(),
		Action: p.Link(screen.Path(name, "corrections")), Withdrawal: p.Link(screen.Path(name, "corrections", "withdraw")),
	}
	if p.Range.Past { // somebody has marked it in the chart
		out.From, out.To = p.Range.From.In(zone).Format(localTime), p.Range.To.In(zone).Format(localTime)
	}
	list, err := s.config.Engine.Corrections(ctx, name)
	out.Error = s.config.Board.Failure("The corrections", err)
	for i := range list {
		out.Rows = append(out.Rows, screen.Correction(p, &list[i]))
	}
	return out
}

func zoneOf(p view.Page) *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// correct excludes a stretch of time.
func (s *Pages) correct(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	definition, ok := s.config.Engine.SLO(name)
	if !ok {
		s.missing(w, r, name)
		return
	}
	p := s.config.Page(r, "slos", definition.Title())
	c, err := readCorrection(r, name, zoneOf(p))
	if err == nil {
		_, err = s.config.Engine.Correct(r.Context(), c)
	}
	if err != nil {
		s.refuse(w, r, "The time was not excluded", err, p.Link(screen.Path(name), "tab", "corrections"))
		return
	}
	http.Redirect(w, r, p.Link(screen.Path(name), "tab", "corrections"), http.StatusSeeOther)
}

// readCorrection reads the form. Times are of the zone in which the page shows them.
func readCorrection(r *http.Request, name string, zone *time.Location) (slo.Correction, error) {
	c := slo.Correction{SLO: name, Reason: r.PostForm.Get("reason"), Author: r.PostForm.Get("author")}
	for field, t := range map[string]*time.Time{"from": &c.From, "to": &c.To} {
		var err error
		text := r.PostForm.Get(field)
		if len(text) == len("2006-01-02T15:04") {
			text += ":00"
		}
		if *t, err = time.ParseInLocation(localTime, text, zone); err != nil {
			return c, fmt.Errorf("%s %q is no time: write it as 2026-11-20T14:00", field, text)
		}
	}
	switch {
	case !c.From.Before(c.To):
		return c, errors.New("it ends before it begins")
	case c.Reason == "":
		return c, errors.New("a correction needs a reason that an auditor understands")
	case c.Author == "":
		return c, errors.New("a correction needs the name of who decides it")
	}
	return c, nil
}

// withdraw makes excluded time count again.
func (s *Pages) withdraw(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	p := s.config.Page(r, "slos", name)
	back := p.Link(screen.Path(name), "tab", "corrections")
	id, err := strconv.ParseUint(r.PostForm.Get("id"), 10, 64)
	var list []slo.Correction
	if err == nil {
		list, err = s.config.Engine.Corrections(r.Context(), name)
	}
	if err == nil && !slices.ContainsFunc(list, func(c slo.Correction) bool { return c.ID == id && c.SLO == name }) {
		s.config.Message(w, r, http.StatusNotFound, view.Message{
			Title: "There is no such correction", Text: name + " has no correction " + strconv.FormatUint(id, 10) + ".",
			Actions: []view.Choice{{Label: "Back", Href: back}},
		})
		return
	}
	if err == nil {
		err = s.config.Engine.Withdraw(r.Context(), id, authorOf(r))
	}
	if err != nil {
		s.refuse(w, r, "The correction was not withdrawn", err, back)
		return
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// authorOf is who sends a form: what it says, else what a proxy in front says, else a page that nobody has signed.
func authorOf(r *http.Request) string {
	if name := r.PostForm.Get("author"); name != "" {
		return name
	}
	if name := r.Header.Get("X-Loadline-User"); name != "" {
		return name
	}
	return "somebody at the dashboard"
}

// refuse says why something was not done.
func (s *Pages) refuse(w http.ResponseWriter, r *http.Request, what string, err error, back string) {
	code := http.StatusUnprocessableEntity
	text := err.Error()
	var conflict *registry.ConflictError
	if errors.As(err, &conflict) {
		code, text = http.StatusConflict, conflictText(conflict)
	}
	s.config.Message(w, r, code, view.Message{Title: what, Text: capital(text), Actions: []view.Choice{{Label: "Back", Href: back}}})
}

// conflictText says that somebody else was faster.
func conflictText(c *registry.ConflictError) string {
	who := c.Author
	if who == "" {
		who = "somebody"
	}
	return fmt.Sprintf("%s has changed %s in between: it is revision %d now, and you have edited revision %d. Look at the newer one before you write over it", who, c.Name, c.Current, c.Expected)
}

// capital makes a sentence of an error.
func capital(text string) string {
	if text == "" {
		return text
	}
	return screen.Title(text) + "."
}
