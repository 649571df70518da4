package query

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"loadline/internal/clickhouse"
)

// where collects the conditions of a query and the values that they bind. Every value becomes a parameter p0, p1, ...;
// what is written into the text comes from this package alone.
type where struct {
	conditions []string
	args       []any
}

// add appends a condition.
func (w *where) add(condition string) { w.conditions = append(w.conditions, condition) }

// bind makes value a parameter of a ClickHouse type and returns how the text refers to it.
func (w *where) bind(typ string, value any) string {
	name := "p" + strconv.Itoa(len(w.args))
	w.args = append(w.args, clickhouse.Named(name, value))
	return "{" + name + ":" + typ + "}"
}

func (w *where) text(s string) string { return w.bind("String", s) }

// texts binds a list of strings.
func (w *where) texts(list []string) string { return w.bind("Array(String)", list) }

// seconds binds a time for comparison with a slice.
func (w *where) seconds(t time.Time) string {
	return "toDateTime(" + w.bind("UInt32", uint32(min(max(t.Unix(), 0), math.MaxUint32))) + ", 'UTC')"
}

// nanos binds a time for comparison with ts.
func (w *where) nanos(t time.Time) string {
	return "fromUnixTimestamp64Nano(" + w.bind("Int64", t.UnixNano()) + ", 'UTC')"
}

// The engine finds granules by a list only when the list is a constant or a subquery: an array that a function with a
// lambda makes is compared row by row. So ids come as subqueries; TestGranules guards that.

// ids binds trace ids for IN.
func (w *where) ids(list []TraceID) string {
	hex := make([]string, len(list))
	for i, id := range list {
		hex[i] = id.String()
	}
	return "(SELECT toFixedString(unhex(arrayJoin(" + w.texts(hex) + ")), 16))"
}

// slices binds slices, given in seconds since the epoch, for IN.
func (w *where) slices(list []uint32) string {
	return w.bind("Array(UInt32)", list)
}

// placed selects traces in the slices that they have, given as pairs.
func (w *where) placed(slices []uint32, ids []string) {
	at := w.bind("Array(UInt32)", slices)
	w.add("(slice, trace_id) IN (SELECT toDateTime(pair.1, 'UTC'), toFixedString(unhex(pair.2), 16) FROM (SELECT arrayJoin(arrayZip(" + at + ", " + w.texts(ids) + ")) AS pair))")
}

// String joins the conditions, one a line.
func (w *where) String() string {
	if len(w.conditions) == 0 {
		return "1"
	}
	return strings.Join(w.conditions, "\n  AND ")
}

// sliceRange bounds the slices of a rollup or of edges.
func (w *where) sliceRange(r Range) {
	w.add("slice >= " + w.seconds(r.From))
	w.add("slice < " + w.seconds(r.To))
}

// table says which of the two spellings of a field a condition is for.
type table bool

const (
	onSpans  table = false
	onRollup table = true
)

// selector adds the conditions of sel, without inbound.
func (w *where) selector(sel Selector, on table) error {
	for _, eq := range []struct{ column, value string }{{"env", sel.Env}, {"service", sel.Service}, {"operation", sel.Operation}} {
		if eq.value != "" {
			w.add(eq.column + " = " + w.text(eq.value))
		}
	}
	for _, m := range sel.Matchers {
		condition, err := w.matcher(m, on)
		if err != nil {
			return err
		}
		w.add(condition)
	}
	return nil
}

// inbound adds the condition for inbound spans unless sel itself says which spans it wants.
func (w *where) inbound(sel Selector, on table) {
	switch {
	case sel.namesKind():
	case on == onRollup:
		w.add(rollupInbound)
	default:
		w.add(spanInbound)
	}
}

// namesKind tells selectors that choose kinds of spans.
func (s Selector) namesKind() bool {
	for _, m := range s.Matchers {
		if f, ok := fieldOf(m.Key); ok && (f.name == "kind" || f.name == "root") {
			return true
		}
	}
	return false
}

// matcher returns the condition of m.
func (w *where) matcher(m Matcher, on table) (string, error) {
	if err := m.check(); err != nil {
		return "", err
	}
	f, ok := fieldOf(m.Key)
	if !ok {
		if on == onRollup {
			return "", &NotRolledUpError{m.Key}
		}
		return w.attribute(m)
	}
	column := f.span
	if on == onRollup {
		if column = f.rollup; column == "" {
			return "", &NotRolledUpError{m.Key}
		}
	}
	switch f.typ {
	case outcomeField:
		return w.outcome(m, on)
	case flagField:
		return w.flag(column, m)
	case durationField:
		return w.duration(m)
	case classField, numberField:
		return w.number(column, m, f.typ)
	case idField:
		return w.id(f, m)
	default:
		return w.compare(column, column+" != ''", m), nil
	}
}

// check refuses operators and patterns that cannot work, so that the engine never sees them.
func (m Matcher) check() error {
	switch m.Op {
	case Equal, NotEqual, Exists, NotExists:
	case Greater, Less, GreaterEqual, LessEqual:
		if f, ok := fieldOf(m.Key); ok && f.typ != durationField && f.typ != classField && f.typ != numberField {
			return fmt.Errorf("filter %q: %q is no number, use = != =~ !~ or exists", m.Key, f.name)
		}
	case Match, NotMatch:
		if _, err := regexp.Compile(m.Value); err != nil {
			return fmt.Errorf("filter %q: pattern %q: %w", m.Key, m.Value, err)
		}
	default:
		return fmt.Errorf("filter %q: unknown operator %q, use = != > < >= <= =~ !~ exists or !exists", m.Key, m.Op)
	}
	return nil
}

// compare is the condition for a textual expression; exists is the condition that the key is there.
func (w *where) compare(expr, exists string, m Matcher) string {
	switch m.Op {
	case Exists:
		return exists
	case NotExists:
		return "NOT (" + exists + ")"
	case Match:
		return "match(" + expr + ", " + w.text(m.Value) + ")"
	case NotMatch:
		return "NOT match(" + expr + ", " + w.text(m.Value) + ")"
	case Equal:
		return expr + " = " + w.text(m.Value)
	case NotEqual:
		return expr + " != " + w.text(m.Value)
	default:
		value, err := strconv.ParseFloat(m.Value, 64)
		if err != nil {
			return "0"
		}
		return "ifNull(toFloat64OrNull(" + expr + ") " + string(m.Op) + " " + w.bind("Float64", value) + ", 0)"
	}
}

// statusClass reads "5xx" as 5.
func statusClass(value string) (int, bool) {
	if len(value) == 3 && value[0] >= '1' && value[0] <= '5' && strings.EqualFold(value[1:], "xx") {
		return int(value[0] - '0'), true
	}
	return 0, false
}

func (w *where) number(column string, m Matcher, typ fieldType) (string, error) {
	switch m.Op {
	case Exists:
		return column + " != 0", nil
	case NotExists:
		return column + " = 0", nil
	case Match, NotMatch:
		return w.compare("toString("+column+")", "", m), nil
	}
	if class, ok := statusClass(m.Value); ok && typ == classField {
		switch m.Op {
		case Equal, NotEqual:
			return "intDiv(" + column + ", 100) " + string(m.Op) + " " + w.bind("UInt16", class), nil
		case Greater, LessEqual:
			return column + " " + string(m.Op) + " " + w.bind("UInt16", class*100+99), nil
		default:
			return column + " " + string(m.Op) + " " + w.bind("UInt16", class*100), nil
		}
	}
	value, err := strconv.ParseFloat(m.Value, 64)
	if err != nil {
		return "", fmt.Errorf("filter %q: %q is no number, write for example 503 or 5xx", m.Key, m.Value)
	}
	return column + " " + string(m.Op) + " " + w.bind("Float64", value), nil
}

// outcome is the condition for key "status", whose values are ok, error and classes of HTTP codes.
func (w *where) outcome(m Matcher, on table) (string, error) {
	not := ""
	switch m.Op {
	case Exists:
		return "1", nil
	case NotExists:
		return "0", nil
	case Equal:
	case NotEqual:
		not = "NOT "
	default:
		return "", fmt.Errorf("filter %q: operator %q does not apply, use = or != with ok, error or 5xx", m.Key, m.Op)
	}
	if class, ok := statusClass(m.Value); ok {
		if on == onRollup {
			return not + "(status = " + w.text(strconv.Itoa(class)+"xx") + ")", nil
		}
		return not + "(intDiv(http_status, 100) = " + w.bind("UInt16", class) + ")", nil
	}
	switch strings.ToLower(m.Value) {
	case "error":
		return not + "error", nil
	case "ok", "unset":
		return not + "(NOT error)", nil
	}
	return "", fmt.Errorf("filter %q: unknown value %q, use ok, error, or a class such as 5xx", m.Key, m.Value)
}

func (w *where) flag(column string, m Matcher) (string, error) {
	want := m.Op == Equal || m.Op == Exists
	if m.Op == Equal || m.Op == NotEqual {
		value, err := strconv.ParseBool(strings.ToLower(m.Value))
		if err != nil {
			return "", fmt.Errorf("filter %q: unknown value %q, use true or false", m.Key, m.Value)
		}
		want = want == value
	} else if m.Op != Exists && m.Op != NotExists {
		return "", fmt.Errorf("filter %q: operator %q does not apply, use = true or = false", m.Key, m.Op)
	}
	if want {
		return "(" + column + ")", nil
	}
	return "NOT (" + column + ")", nil
}

func (w *where) duration(m Matcher) (string, error) {
	switch m.Op {
	case Exists:
		return "1", nil
	case NotExists:
		return "0", nil
	case Match, NotMatch:
		return "", fmt.Errorf("filter %q: operator %q does not apply, use > or < with a duration such as 400ms", m.Key, m.Op)
	}
	d, err := ParseDuration(m.Value)
	if err != nil {
		return "", fmt.Errorf("filter %q: %w", m.Key, err)
	}
	return "duration " + string(m.Op) + " " + w.bind("UInt64", uint64(d)), nil
}

// ParseDuration reads a duration as people write it in a filter: 400ms, 400 ms, 1.5s, 2m30s; a bare number is
// milliseconds.
func ParseDuration(s string) (time.Duration, error) {
	s = strings.ReplaceAll(strings.TrimSpace(s), " ", "")
	if ms, err := strconv.ParseFloat(s, 64); err == nil && ms >= 0 && ms < math.MaxInt64/1e6 {
		return time.Duration(ms * float64(time.Millisecond)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration, write for example 400ms or 1.5s", s)
	}
	return d, nil
}

func (w *where) id(f field, m Matcher) (string, error) {
	size, op := 16, "="
	if f.name == "span_id" {
		size = 8
	}
	switch m.Op {
	case Exists:
		return "1", nil
	case NotExists:
		return "0", nil
	case NotEqual:
		op = "!="
	case Equal:
	default:
		return "", fmt.Errorf("filter %q: operator %q does not apply, use = or !=", m.Key, m.Op)
	}
	raw := make([]byte, size)
	if err := parseHex(raw, m.Value); err != nil {
		return "", fmt.Errorf("filter %q: %w", m.Key, err)
	}
	return fmt.Sprintf("%s %s toFixedString(unhex(%s), %d)", f.span, op, w.text(fmt.Sprintf("%x", raw)), size), nil
}

// attribute is the condition for a key that is not a column. A span attribute counts before one of the resource, and
// a negated operator is the opposite of the plain one: it also holds where the key is not there.
func (w *where) attribute(m Matcher) (string, error) {
	positive := m
	switch m.Op {
	case NotEqual:
		positive.Op = Equal
	case NotMatch:
		positive.Op = Match
	case NotExists:
		positive.Op = Exists
	default:
		return w.hasAttribute(m), nil
	}
	return "NOT " + w.hasAttribute(positive), nil
}

func (w *where) hasAttribute(m Matcher) string {
	key := resolveAttribute(m.Key)
	names := make([]string, len(key.names))
	for i, name := range key.names {
		names[i] = w.text(name)
	}
	var either []string
	for _, name := range names {
		exists := "mapContains(attributes, " + name + ")"
		condition := w.compare("attributes["+name+"]", exists, m)
		if m.Op != Exists && holdsForEmpty(m) {
			condition = "(" + exists + " AND " + condition + ")"
		}
		either = append(either, condition)
	}
	condition := "(" + strings.Join(either, " OR ") + ")"
	if !key.resource {
		return condition
	}
	// Resources are as many as processes; the engine reads them once per query.
	ofResource := "resource_id IN (SELECT resource_id FROM resources WHERE " + condition + ")"
	if !key.span {
		return ofResource
	}
	absent := make([]string, len(names))
	for i, name := range names {
		absent[i] = "NOT mapContains(attributes, " + name + ")"
	}
	return "(" + condition + " OR (" + strings.Join(absent, " AND ") + " AND " + ofResource + "))"
}

// holdsForEmpty tells matchers that the empty text satisfies: a map gives it for keys that it does not have.
func holdsForEmpty(m Matcher) bool {
	switch m.Op {
	case Equal:
		return m.Value == ""
	case Match:
		ok, err := regexp.MatchString(m.Value, "")
		return err != nil || ok
	}
	return false
}

// RolledUp returns the part of the selector that the rollups can answer, and whether that is all of it.
func (s Selector) RolledUp() (Selector, bool) {
	var keep []Matcher
	for _, m := range s.Matchers {
		if _, err := new(where).matcher(m, onRollup); err == nil {
			keep = append(keep, m)
		}
	}
	all := len(keep) == len(s.Matchers)
	s.Matchers = keep
	return s, all
}
