// Package events says in SQL what the events of a service level indicator are, over spans and over the RED rollups, and
// finds out from the rollups when they were and how many were bad. Package indicator makes answers of it.
//
// Reading order: condition.go (an indicator in SQL), measure.go (counts of the rollups), survey.go (what reading spans
// costs) and find.go (which to read first).
package events

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"loadline/internal/attribute"
	"loadline/internal/sli"
	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// Conditions are an indicator in SQL, over spans or over the rollups. What they are about is bounded in time by
// [Conditions.Between].
type Conditions struct {
	sql.Where        // what the events are
	Bad       string // whether one is bad; of rollups without durations

	on              filter.Table
	service         string
	readsAttributes bool     // attributes of spans are read
	resource        []string // texts that are asked of resources; joined as columns r0, r1, ...
}

// New refuses indicators that cannot be counted by. What the rollups do not know is left out for them; see [RolledUp].
func New(ind sli.Indicator, on filter.Table) (*Conditions, error) {
	ind, err := ind.Canonical()
	if err != nil {
		return nil, err
	}
	c := &Conditions{on: on, service: ind.Service}
	c.scope(ind)
	if len(ind.Operations) > 0 {
		c.Add(c.operations(ind.Operations))
	}
	for _, m := range ind.Matchers {
		if c.knows(m.Key) {
			c.Add(c.matcher(m))
		}
	}
	c.Bad = c.anyBad(ind.Bad)
	return c, nil
}

// scope adds the service, the environment and the kinds.
func (c *Conditions) scope(ind sli.Indicator) {
	c.Add("service = " + c.Text(ind.Service))
	if ind.Env != "" {
		c.Add("env = " + c.Text(ind.Env))
	}
	switch {
	case len(ind.Kinds) > 0:
		c.Add("toString(kind) IN " + c.Texts(ind.Kinds))
	case c.on == filter.OnRollup:
		c.Add(filter.RollupInbound)
	default:
		c.Add(filter.SpanInbound)
	}
}

// operations is the condition that an operation has one of the names, in which * stands for any text.
func (c *Conditions) operations(names []string) string {
	var plain, either []string
	for _, name := range names {
		if strings.Contains(name, "*") {
			either = append(either, "match(operation, "+c.Text(sli.Glob(name))+")")
		} else {
			plain = append(plain, name)
		}
	}
	if len(plain) > 0 {
		either = append(either, "operation IN "+c.Texts(plain))
	}
	return "(" + strings.Join(either, " OR ") + ")"
}

// anyBad is the condition that any of the rules holds. Over rollups a duration is not one of them: what is slow is a
// matter of their histograms.
func (c *Conditions) anyBad(b sli.Bad) string {
	var rules []string
	if b.Errors {
		rules = append(rules, "error")
	}
	rules = append(rules, c.http(b.HTTP)...)
	if c.on == filter.OnSpans {
		rules = append(rules, c.grpc(b.GRPC)...)
		if b.Slower > 0 {
			rules = append(rules, "duration > "+c.Bind("UInt64", uint64(b.Slower)))
		}
	}
	if len(b.Matchers) > 0 && !slices.ContainsFunc(b.Matchers, func(m sli.Matcher) bool { return !c.knows(m.Key) }) {
		all := make([]string, len(b.Matchers))
		for i, m := range b.Matchers {
			all[i] = c.matcher(m)
		}
		rules = append(rules, "("+strings.Join(all, " AND ")+")")
	}
	if len(rules) == 0 {
		return "0"
	}
	return "(" + strings.Join(rules, " OR ") + ")"
}

// http is the conditions for codes and classes of the response. The rollups have classes only.
func (c *Conditions) http(list []string) (rules []string) {
	var codes, classes []uint16
	var names []string
	for _, text := range list {
		if class, ok := filter.StatusClass(text); ok {
			classes, names = append(classes, uint16(class)), append(names, text)
		} else if code, err := strconv.ParseUint(text, 10, 16); err == nil {
			codes = append(codes, uint16(code))
		}
	}
	if len(names) > 0 && c.on == filter.OnRollup {
		return []string{"status IN " + c.Texts(names)}
	}
	if len(classes) > 0 {
		rules = append(rules, "intDiv(http_status, 100) IN "+c.Bind("Array(UInt16)", classes))
	}
	if len(codes) > 0 && c.on == filter.OnSpans {
		rules = append(rules, "http_status IN "+c.Bind("Array(UInt16)", codes))
	}
	return rules
}

// grpc is the condition for codes of the response by name. The attribute has the name or the number.
func (c *Conditions) grpc(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	spellings := slices.Clone(names)
	for _, name := range names {
		if code, ok := sli.GRPCCode(name); ok {
			spellings = append(spellings, strconv.Itoa(code))
		}
	}
	return []string{c.Value(sli.GRPCAttribute) + " IN " + c.Texts(spellings)}
}

// matcher is the condition on the value of a key.
func (c *Conditions) matcher(m sli.Matcher) string {
	value := c.Value(m.Key)
	switch m.Op {
	case "=~":
		return "match(" + value + ", " + c.Text(sli.Whole(m.Value)) + ")"
	case "!~":
		return "NOT match(" + value + ", " + c.Text(sli.Whole(m.Value)) + ")"
	default: // = and !=
		return value + " " + m.Op + " " + c.Text(m.Value)
	}
}

// columnTexts are the columns of spans by key, as text.
var columnTexts = map[string]string{
	"version":                   "version",
	"name":                      "name",
	"operation":                 "operation",
	"status":                    "toString(status)",
	"http.response.status_code": "if(http_status = 0, '', toString(http_status))",
	"error.type":                "error_type",
	"peer":                      "peer",
	"peer.type":                 "peer_type",
	"scope":                     "scope",
}

// knows reports whether the table has the key.
func (c *Conditions) knows(key string) bool {
	column, ok := sli.Column(key)
	return c.on == filter.OnSpans || ok && (column == "version" || column == "operation")
}

// Value is the text of a key, empty where a span does not have it.
func (c *Conditions) Value(key string) string {
	if column, ok := sli.Column(key); ok {
		return columnTexts[column]
	}
	attr := attribute.Of(key)
	otherwise := "''"
	if attr.OfResource {
		otherwise = "r" + strconv.Itoa(len(c.resource))
		c.resource = append(c.resource, c.firstOf(attr.Names, "''"))
	}
	if !attr.OfSpan {
		return otherwise
	}
	c.readsAttributes = true
	return c.firstOf(attr.Names, otherwise)
}

// firstOf is the value of the first name that attributes have.
func (c *Conditions) firstOf(names []string, otherwise string) string {
	var b strings.Builder
	b.WriteString("multiIf(")
	for _, name := range names {
		p := c.Text(name)
		b.WriteString("mapContains(attributes, " + p + "), attributes[" + p + "], ")
	}
	return b.String() + otherwise + ")"
}

// From is what the conditions are about: spans, with what is asked of their resources beside them. Resources are as many as
// processes.
func (c *Conditions) From() string {
	if len(c.resource) == 0 {
		return "spans"
	}
	columns := make([]string, len(c.resource))
	for i, text := range c.resource {
		columns[i] = text + " AS r" + strconv.Itoa(i)
	}
	return "spans\nANY LEFT JOIN\n(\n  SELECT resource_id, " + strings.Join(columns, ", ") + "\n  FROM resources\n  WHERE service = " + c.Text(c.service) + "\n) AS r USING (resource_id)"
}

// Between bounds the events to [from, to).
func (c *Conditions) Between(from, to time.Time) {
	first := rollup.Floor(from, sli.Slot)
	end := rollup.Floor(to.Add(sli.Slot-1), sli.Slot)
	c.SliceRange(first, end)
	if first.Before(from) {
		c.Add("ts >= " + c.Nanos(from))
	}
	if end.After(to) {
		c.Add("ts < " + c.Nanos(to))
	}
}

// RolledUp reports whether the rollups know all that an indicator asks, durations but for the width of a bucket.
func RolledUp(ind sli.Indicator) bool {
	ind, err := ind.Canonical()
	if err != nil {
		return false
	}
	c := Conditions{on: filter.OnRollup}
	for _, m := range slices.Concat(ind.Matchers, ind.Bad.Matchers) {
		if !c.knows(m.Key) {
			return false
		}
	}
	for _, code := range ind.Bad.HTTP {
		if _, ok := filter.StatusClass(code); !ok {
			return false
		}
	}
	return len(ind.Bad.GRPC) == 0
}
