package view

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// Kept are the parameters that every link inside of the dashboard carries, so that a range once chosen stays.
var kept = []string{"range", "from", "to", "env", "tz"}

// A Page is what every page needs besides its own content.
type Page struct {
	Title  string
	Nav    string // which entry of the sidebar is the current one
	Theme  string // auto, light or dark
	Path   string
	Query  url.Values // the parameters of the request
	Crumbs []Crumb
	Range  Range
	Envs   []string
	Env    string // "" for all
	Zone   *time.Location
	Now    time.Time

	Services, Risks int // how many services there are, and objectives at risk or breached; 0 to show no number
	Ingest          Ingest
	Notices         []string // what was wrong with the request and what is shown instead
	Live            bool     // the page has something that changes
	Topics          Topics
	Script          string // one more script that the page needs
	Asset           func(name string) string
}

// A Crumb is one step of the path at the top. The last one has no Href.
type Crumb struct{ Label, Href string }

// Topics are the names under which parts of a page are pushed.
type Topics map[string]string

// Ingest is the line at the foot of the sidebar.
type Ingest struct {
	State string // ok, warn, crit, ""
	Text  string
}

// A Range is the time range of a page as the picker shows it.
type Range struct {
	Label         string
	Short         string
	Past          bool // it ends in the past, so nothing is live
	From, To      time.Time
	Text          string // what the text field holds
	Presets       []Choice
	Earlier       string // addresses
	Later         string
	Wider         string
	Latest        string
	Absolute      string
	FreeTextNames []Param // what the form has to send besides its own field
}

// A Choice is a link among several, one of which is the current one.
type Choice struct {
	Label, Href string
	Current     bool
	Count       string
}

// A Param is a parameter of an address.
type Param struct{ Name, Value string }

// Link returns the address of another page of the dashboard with the range and environment of this one, and with the
// given pairs of names and values. Pairs with an empty value are left out. Every internal link is made here.
func (p Page) Link(path string, pairs ...string) string {
	values := url.Values{}
	for _, name := range kept {
		if v := p.Query.Get(name); v != "" {
			values.Set(name, v)
		}
	}
	return address(path, values, pairs)
}

// With returns the address of this page with some parameters changed; an empty value removes one. A change starts
// lists from their beginning.
func (p Page) With(pairs ...string) string {
	values := url.Values{}
	for name, v := range p.Query {
		if name != "cursor" && name != "part" {
			values[name] = slices.Clone(v)
		}
	}
	return address(p.Path, values, pairs)
}

func address(path string, values url.Values, pairs []string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			values.Del(pairs[i])
		} else {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// Service is the address of a service's page.
func (p Page) Service(name string, pairs ...string) string {
	return p.Link("/services/"+url.PathEscape(name), pairs...)
}

// Trace is the address of a trace.
func (p Page) Trace(id string, pairs ...string) string {
	return p.Link("/traces/"+id, pairs...)
}

// Rest returns the parameters of this page that a form has to send along, without the named ones.
func (p Page) Rest(without ...string) []Param {
	var rest []Param
	for name, values := range p.Query {
		if name == "cursor" || slices.Contains(without, name) {
			continue
		}
		for _, v := range values {
			rest = append(rest, Param{name, v})
		}
	}
	slices.SortFunc(rest, func(a, b Param) int { return strings.Compare(a.Name, b.Name) })
	return rest
}

// Clock writes a time of day in the page's zone.
func (p Page) Clock(t time.Time) string { return t.In(p.zone()).Format("15:04:05.000") }

// Moment writes a time with its date in the page's zone.
func (p Page) Moment(t time.Time) string { return t.In(p.zone()).Format("2006-01-02 15:04:05") }

func (p Page) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// ZoneName is the name for the browser's own formatting.
func (p Page) ZoneName() string { return p.zone().String() }

// Ago writes how long before the page a time was.
func (p Page) Ago(t time.Time) string { return Ago(p.Now.Sub(t)) }

// EnvLabel names the environment of the page.
func (p Page) EnvLabel() string {
	switch {
	case p.Env != "":
		return p.Env
	case len(p.Envs) == 1 && p.Envs[0] != "":
		return p.Envs[0]
	}
	return "All environments"
}
