package filter

import (
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"loadline/internal/attribute"
	"loadline/query/sql"
)

// A NotRolledUpError is returned when a matcher is on a key that the rollups do not have, so that only a search of
// spans could answer. [Selector.RolledUp] tells beforehand.
type NotRolledUpError struct{ Key string }

// Error names the key.
func (e *NotRolledUpError) Error() string {
	return fmt.Sprintf("key %q is not in the RED rollups: use service, operation, env, version, kind, root, status or error", e.Key)
}

// A Table says which of the two spellings of a field a condition is for.
type Table bool

// The tables that have columns to select by.
const (
	OnSpans  Table = false
	OnRollup Table = true
)

// AddTo adds the conditions of the selector to a query of spans or of rollups, of all kinds of spans. A key that the
// rollups do not have gives a [NotRolledUpError].
func (s Selector) AddTo(w *sql.Where, on Table) error {
	for _, eq := range []struct{ column, value string }{{"env", s.Env}, {"service", s.Service}, {"operation", s.Operation}} {
		if eq.value != "" {
			w.Add(eq.column + " = " + w.Text(eq.value))
		}
	}
	for _, m := range s.Matchers {
		condition, err := m.condition(w, on)
		if err != nil {
			return err
		}
		w.Add(condition)
	}
	return nil
}

// NamesKind tells selectors that choose kinds of spans. Others are about inbound ones.
func (s Selector) NamesKind() bool {
	for _, m := range s.Matchers {
		if f, ok := FieldOf(m.Key); ok && (f.Name == "kind" || f.Name == "root") {
			return true
		}
	}
	return false
}

// condition returns m as SQL.
func (m Matcher) condition(w *sql.Where, on Table) (string, error) {
	if err := m.check(); err != nil {
		return "", err
	}
	f, ok := FieldOf(m.Key)
	if !ok {
		if on == OnRollup {
			return "", &NotRolledUpError{m.Key}
		}
		return m.attribute(w)
	}
	column := f.Span
	if on == OnRollup {
		if column = f.Rollup; column == "" {
			return "", &NotRolledUpError{m.Key}
		}
	}
	switch f.Type {
	case OutcomeField:
		return m.outcome(w, on)
	case FlagField:
		return m.flag(column)
	case DurationField:
		return m.duration(w)
	case ClassField, NumberField:
		return m.number(w, column, f.Type)
	case IDField:
		return m.id(w, f)
	default:
		return m.compare(w, column, column+" != ''"), nil
	}
}

// check refuses operators and patterns that cannot work, so that the engine never sees them.
func (m Matcher) check() error {
	switch m.Op {
	case Equal, NotEqual, Exists, NotExists:
	case Greater, Less, GreaterEqual, LessEqual:
		if f, ok := FieldOf(m.Key); ok && f.Type != DurationField && f.Type != ClassField && f.Type != NumberField {
			return fmt.Errorf("filter %q: %q is no number, use = != =~ !~ or exists", m.Key, f.Name)
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
func (m Matcher) compare(w *sql.Where, expr, exists string) string {
	switch m.Op {
	case Exists:
		return exists
	case NotExists:
		return "NOT (" + exists + ")"
	case Match:
		return "match(" + expr + ", " + w.Text(m.Value) + ")"
	case NotMatch:
		return "NOT match(" + expr + ", " + w.Text(m.Value) + ")"
	case Equal:
		return expr + " = " + w.Text(m.Value)
	case NotEqual:
		return expr + " != " + w.Text(m.Value)
	default:
		value, err := strconv.ParseFloat(m.Value, 64)
		if err != nil {
			return "0"
		}
		return "ifNull(toFloat64OrNull(" + expr + ") " + string(m.Op) + " " + w.Bind("Float64", value) + ", 0)"
	}
}

// StatusClass reads "5xx" as 5.
func StatusClass(value string) (int, bool) {
	if len(value) == 3 && value[0] >= '1' && value[0] <= '5' && strings.EqualFold(value[1:], "xx") {
		return int(value[0] - '0'), true
	}
	return 0, false
}

// number is the condition for a numeric column.
func (m Matcher) number(w *sql.Where, column string, typ FieldType) (string, error) {
	switch m.Op {
	case Exists:
		return column + " != 0", nil
	case NotExists:
		return column + " = 0", nil
	case Match, NotMatch:
		return m.compare(w, "toString("+column+")", ""), nil
	}
	if class, ok := StatusClass(m.Value); ok && typ == ClassField {
		switch m.Op {
		case Equal, NotEqual:
			return "intDiv(" + column + ", 100) " + string(m.Op) + " " + w.Bind("UInt16", class), nil
		case Greater, LessEqual:
			return column + " " + string(m.Op) + " " + w.Bind("UInt16", class*100+99), nil
		default:
			return column + " " + string(m.Op) + " " + w.Bind("UInt16", class*100), nil
		}
	}
	value, err := strconv.ParseFloat(m.Value, 64)
	if err != nil {
		return "", fmt.Errorf("filter %q: %q is no number, write for example 503 or 5xx", m.Key, m.Value)
	}
	return column + " " + string(m.Op) + " " + w.Bind("Float64", value), nil
}

// outcome is the condition for key "status", whose values are ok, error and classes of HTTP codes.
func (m Matcher) outcome(w *sql.Where, on Table) (string, error) {
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
	if class, ok := StatusClass(m.Value); ok {
		if on == OnRollup {
			return not + "(status = " + w.Text(strconv.Itoa(class)+"xx") + ")", nil
		}
		return not + "(intDiv(http_status, 100) = " + w.Bind("UInt16", class) + ")", nil
	}
	switch strings.ToLower(m.Value) {
	case "error":
		return not + "error", nil
	case "ok", "unset":
		return not + "(NOT error)", nil
	}
	return "", fmt.Errorf("filter %q: unknown value %q, use ok, error, or a class such as 5xx", m.Key, m.Value)
}

// flag is the condition for a column that is true or false.
func (m Matcher) flag(column string) (string, error) {
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

func (m Matcher) duration(w *sql.Where) (string, error) {
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
	return "duration " + string(m.Op) + " " + w.Bind("UInt64", uint64(d)), nil
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

func (m Matcher) id(w *sql.Where, f Field) (string, error) {
	size, op := 16, "="
	if f.Name == "span_id" {
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
	raw, err := sql.ParseHex(m.Value, size)
	if err != nil {
		return "", fmt.Errorf("filter %q: %w", m.Key, err)
	}
	return f.Span + " " + op + " " + w.Hex(hex.EncodeToString(raw), size), nil
}

// attribute is the condition for a key that is not a column. A span attribute counts before one of the resource, and
// a negated operator is the opposite of the plain one: it also holds where the key is not there.
func (m Matcher) attribute(w *sql.Where) (string, error) {
	positive := m
	switch m.Op {
	case NotEqual:
		positive.Op = Equal
	case NotMatch:
		positive.Op = Match
	case NotExists:
		positive.Op = Exists
	default:
		return m.hasAttribute(w), nil
	}
	return "NOT " + positive.hasAttribute(w), nil
}

func (m Matcher) hasAttribute(w *sql.Where) string {
	key := attribute.Of(m.Key)
	names := make([]string, len(key.Names))
	for i, name := range key.Names {
		names[i] = w.Text(name)
	}
	var either []string
	for _, name := range names {
		exists := "mapContains(attributes, " + name + ")"
		condition := m.compare(w, "attributes["+name+"]", exists)
		if m.Op != Exists && m.holdsForEmpty() {
			condition = "(" + exists + " AND " + condition + ")"
		}
		either = append(either, condition)
	}
	condition := "(" + strings.Join(either, " OR ") + ")"
	if !key.OfResource {
		return condition
	}
	// Resources are as many as processes; the engine reads them once per query.
	ofResource := "resource_id IN (SELECT resource_id FROM resources WHERE " + condition + ")"
	if !key.OfSpan {
		return ofResource
	}
	absent := make([]string, len(names))
	for i, name := range names {
		absent[i] = "NOT mapContains(attributes, " + name + ")"
	}
	return "(" + condition + " OR (" + strings.Join(absent, " AND ") + " AND " + ofResource + "))"
}

// holdsForEmpty tells matchers that the empty text satisfies: a map gives it for keys that it does not have.
func (m Matcher) holdsForEmpty() bool {
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
		if _, err := m.condition(new(sql.Where), OnRollup); err == nil {
			keep = append(keep, m)
		}
	}
	all := len(keep) == len(s.Matchers)
	s.Matchers = keep
	return s, all
}
