// Package form turns what somebody fills in into the definition of an SLO, and a definition back into a form.
package form

import (
	"fmt"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"loadline/internal/sli"
	"loadline/query/filter"
	"loadline/query/indicator"
	"loadline/slo/budget"
	"loadline/slo/spec"
)

// The kinds of indicators that the form offers.
const (
	Availability = "availability" // no errors
	Latency      = "latency"      // fast enough, and no error
	Speed        = "speed"        // fast enough, errors or not
	Ratio        = "ratio"        // two PromQL expressions
	Threshold    = "threshold"    // a PromQL expression and a bound, such as the age of a queue
)

// Values are the fields of the form as text, as browsers send them.
type Values struct {
	Name, Title, Description        string
	Service, Env, Operations, Where string
	Kind, Slower, Codes             string
	Bad, Total                      string // expressions of Ratio; Good is set instead of Bad
	Good                            string
	Query, Op, Limit                string // of Threshold
	Objective, Window, Zone         string
	Alert, Tiers                    string
	Guard                           bool
	GroupBy                         string
	Owner, Notify, Runbook, Labels  string

	Text     string // a definition as text, in place of all fields above
	Raw      bool
	Author   string
	Revision string // that was edited; empty for a new one
}

// fields are the places of texts by the names of their form fields.
func (v *Values) fields() map[string]*string {
	return map[string]*string{
		"name": &v.Name, "title": &v.Title, "description": &v.Description, "service": &v.Service, "environment": &v.Env,
		"operations": &v.Operations, "where": &v.Where, "kind": &v.Kind, "slower": &v.Slower, "codes": &v.Codes,
		"good": &v.Good, "bad": &v.Bad, "total": &v.Total, "query": &v.Query, "op": &v.Op, "limit": &v.Limit,
		"objective": &v.Objective, "window": &v.Window, "zone": &v.Zone, "alert": &v.Alert, "tiers": &v.Tiers,
		"group_by": &v.GroupBy, "owner": &v.Owner, "notify": &v.Notify, "runbook": &v.Runbook, "labels": &v.Labels,
		"text": &v.Text, "author": &v.Author, "revision": &v.Revision,
	}
}

// New is the form as it is first seen: the defaults are those that most want.
func New() Values {
	return Values{Kind: Latency, Slower: "400ms", Objective: "99.9%", Window: "30d", Zone: "UTC", Alert: "default", Guard: true, Op: "<="}
}

// Read reads the form from a request. Fields that were not sent have their defaults.
func Read(sent url.Values) Values {
	v := New()
	for name, field := range v.fields() {
		if sent.Has(name) {
			*field = strings.TrimSpace(strings.ReplaceAll(sent.Get(name), "\r\n", "\n"))
		}
	}
	v.Raw = sent.Get("mode") == "text"
	if len(sent) > 0 && sent.Has("sent") { // an unchecked box is not sent
		v.Guard = sent.Get("guard") == "on"
	}
	return v
}

// Params are the fields that differ from the defaults, for an address or for hidden fields.
func (v Values) Params() url.Values {
	out, defaults := url.Values{}, New()
	was := defaults.fields()
	for name, field := range v.fields() {
		if *field != *was[name] {
			out.Set(name, *field)
		}
	}
	if v.Guard != defaults.Guard {
		out.Set("sent", "1")
	}
	return out
}

// Suggested is the form for a suggestion.
func Suggested(s indicator.Suggestion) Values {
	v := New()
	v.Env, v.Service, v.Operations = s.Env, s.Service, s.Operation
	switch {
	case s.LatencyTarget != "":
		v.Kind, v.Slower, v.Objective = Speed, Length(s.Threshold), s.LatencyTarget+"%"
	case s.AvailabilityTarget != "":
		v.Kind, v.Objective = Availability, s.AvailabilityTarget+"%"
	}
	return v
}

// Mistakes are what is wrong with fields, by name.
type Mistakes map[string]string

func (m Mistakes) add(field, format string, args ...any) {
	if m[field] == "" {
		m[field] = fmt.Sprintf(format, args...)
	}
}

// SLO is the definition that the form describes. It is usable when there are no mistakes.
func (v Values) SLO() (spec.SLO, Mistakes) {
	m := Mistakes{}
	out := spec.SLO{
		Name: v.Name, DisplayName: v.Title, Description: v.Description, Service: v.Service, Owner: v.Owner, Runbook: v.Runbook,
		Notify: list(v.Notify), Labels: v.labels(m),
	}
	if out.Name == "" {
		out.Name = v.slug()
	}
	if out.Name == "" {
		m.add("service", "Choose the service that the promise is about.")
	}
	if v.Runbook != "" {
		if u, err := url.Parse(v.Runbook); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			m.add("runbook", "Write an address such as https://wiki.example.com/checkout.")
		}
	}
	o := spec.Objective{Name: "default", Indicator: v.indicator(m)}
	var err error
	if o.Target, err = budget.ParsePercent(v.Objective); err != nil {
		m.add("objective", "%s", sentence(err))
	}
	o.Window = v.window(m)
	o.Policy, o.Preset = v.policy(m, o.Window)
	out.Objectives = []spec.Objective{o}
	return out, m
}

// slug is a name made of what the SLO is about.
func (v Values) slug() string {
	if v.Service == "" {
		return ""
	}
	var b strings.Builder
	operation, _, _ := strings.Cut(v.Operations, "\n")
	for _, r := range strings.ToLower(v.Service + " " + operation + " " + v.Kind) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := b.String()
	return strings.Trim(name[:min(len(name), 63)], "-")
}

// list splits a field at commas and lines.
func list(text string) []string {
	var out []string
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func (v Values) labels(m Mistakes) map[string][]string {
	var out map[string][]string
	for _, pair := range list(v.Labels) {
		key, value, ok := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" {
			m.add("labels", "Write labels as name=value, separated by commas; %q is none.", pair)
			continue
		}
		if out == nil {
			out = map[string][]string{}
		}
		out[key] = append(out[key], value)
	}
	return out
}

func (v Values) indicator(m Mistakes) spec.Indicator {
	switch v.Kind {
	case Ratio:
		return v.ratio(m)
	case Threshold:
		return v.threshold(m)
	}
	if v.Service == "" {
		m.add("service", "Choose the service that the promise is about.")
	}
	ind := &sli.Indicator{Env: v.Env, Service: v.Service, Operations: lines(v.Operations), GroupBy: v.GroupBy, Matchers: v.matchers(m)}
	switch v.Kind {
	case Availability, Latency:
		ind.Bad.Errors = true
		ind.Bad.HTTP = list(v.Codes)
	case Speed:
	default:
		m.add("kind", "%q is no kind of indicator.", v.Kind)
	}
	if v.Kind == Latency || v.Kind == Speed {
		d, err := time.ParseDuration(strings.ReplaceAll(v.Slower, " ", ""))
		if err != nil || d <= 0 {
			m.add("slower", "Write a duration such as 400ms or 1.5s.")
		}
		ind.Bad.Slower = d
	}
	if len(m) == 0 {
		if err := ind.Validate(); err != nil {
			m.add("where", "%s", sentence(err))
		}
	}
	return spec.Indicator{Spans: ind}
}

// lines splits a field at lines. Operations may have commas.
func lines(text string) []string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

func (v Values) matchers(m Mistakes) []sli.Matcher {
	parsed, err := filter.Parse(v.Where)
	if err != nil {
		m.add("where", "%s", sentence(err))
		return nil
	}
	var out []sli.Matcher
	for _, p := range parsed {
		op := string(p.Op)
		if !slices.Contains([]string{"=", "!=", "=~", "!~"}, op) {
			m.add("where", "An indicator compares with =, !=, =~ and !~; %s %s is another way.", p.Key, op)
			continue
		}
		out = append(out, sli.Matcher{Key: p.Key, Op: op, Value: p.Value})
	}
	return out
}

func (v Values) ratio(m Mistakes) spec.Indicator {
	r := &spec.Ratio{Good: v.Good, Bad: v.Bad, Total: v.Total}
	if r.Total == "" {
		m.add("total", "Write an expression that counts all events, with $window for its range.")
	}
	if (r.Good == "") == (r.Bad == "") {
		m.add("bad", "Write one of the two: what counts bad events, or what counts good ones.")
	}
	return spec.Indicator{Ratio: r}
}

func (v Values) threshold(m Mistakes) spec.Indicator {
	t := &spec.Threshold{Query: v.Query, Op: v.Op}
	if t.Query == "" {
		m.add("query", "Write an expression whose value is to stay within a bound.")
	}
	var err error
	if t.Value, err = strconv.ParseFloat(v.Limit, 64); err != nil || math.IsNaN(t.Value) {
		m.add("limit", "Write a number such as 30.")
	}
	return spec.Indicator{Threshold: t}
}

// sentence is an error as a form shows it.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// Of is the form for a definition, and whether the form can say all that is in it.
func Of(s spec.SLO) (Values, bool) {
	v := New()
	v.Name, v.Title, v.Description, v.Service, v.Owner, v.Runbook = s.Name, s.DisplayName, s.Description, s.Service, s.Owner, s.Runbook
	v.Notify = strings.Join(s.Notify, ", ")
	keys := make([]string, 0, len(s.Labels))
	for key, values := range s.Labels {
		for _, value := range values {
			keys = append(keys, key+"="+value)
		}
	}
	slices.Sort(keys)
	v.Labels = strings.Join(keys, ", ")
	if len(s.Objectives) != 1 {
		return v, false
	}
	o := s.Objectives[0]
	v.Objective = o.Target.String()
	v.setWindow(o.Window)
	v.setPolicy(o)
	v.setIndicator(o.Indicator)
	back, mistakes := v.SLO()
	return v, len(mistakes) == 0 && reflect.DeepEqual(plain(reflect.ValueOf(back)), plain(reflect.ValueOf(s)))
}

// plain is a value in which missing lists are like empty ones and pointers like what they point to, for comparing.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = plain(v.Index(i))
		}
		return out
	case reflect.Map:
		out := make(map[string]any, v.Len())
		for _, key := range v.MapKeys() {
			out[key.String()] = plain(v.MapIndex(key))
		}
		return out
	case reflect.Struct:
		if at, ok := v.Interface().(time.Time); ok {
			return at.UnixNano()
		}
		out := make([]any, v.NumField())
		for i := range out {
			out[i] = plain(v.Field(i))
		}
		return out
	}
	return v.Interface()
}

func (v *Values) setIndicator(i spec.Indicator) {
	switch {
	case i.Ratio != nil:
		v.Kind, v.Good, v.Bad, v.Total = Ratio, i.Ratio.Good, i.Ratio.Bad, i.Ratio.Total
	case i.Threshold != nil:
		v.Kind, v.Query, v.Op, v.Limit = Threshold, i.Threshold.Query, i.Threshold.Op, fmt.Sprint(i.Threshold.Value)
	case i.Spans != nil:
		s := i.Spans
		v.Env, v.GroupBy, v.Operations = s.Env, s.GroupBy, strings.Join(s.Operations, "\n")
		v.Codes = strings.Join(s.Bad.HTTP, ", ")
		where := make([]filter.Matcher, len(s.Matchers))
		for i, m := range s.Matchers {
			where[i] = filter.Matcher{Key: m.Key, Op: filter.Op(m.Op), Value: m.Value}
		}
		v.Where = filter.Format(where)
		switch {
		case !s.Bad.Errors:
			v.Kind = Speed
		case s.Bad.Slower == 0:
			v.Kind = Availability
		default:
			v.Kind = Latency
		}
		if s.Bad.Slower > 0 {
			v.Slower = Length(s.Bad.Slower)
		}
	}
}
