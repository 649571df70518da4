package red

import (
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"loadline/query/sql"
)

// column is a label whose value is an expression over the rows. An empty value is no label.
type column struct{ label, expression string }

// push adds what a matcher demands of the rows to w. Matchers of other labels are left to [matches].
func push(w *sql.Where, columns []column, m *labels.Matcher) {
	for _, c := range columns {
		if c.label == m.Name {
			w.Add(condition(w, c.expression, m))
		}
	}
}

// condition is the SQL for a matcher of an expression. The regular expressions of both sides are RE2's.
func condition(w *sql.Where, expression string, m *labels.Matcher) string {
	switch m.Type {
	case labels.MatchEqual:
		return expression + " = " + w.Text(m.Value)
	case labels.MatchNotEqual:
		return expression + " != " + w.Text(m.Value)
	}
	not := ""
	if m.Type == labels.MatchNotRegexp {
		not = "NOT "
	}
	if list := m.SetMatches(); len(list) > 0 {
		return expression + " " + not + "IN (" + w.Texts(list) + ")"
	}
	return not + "match(" + expression + ", " + w.Text("^(?s:"+m.Value+")$") + ")"
}

// expressions joins what the columns are made of, as k0, k1, ….
func expressions(columns []column) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = c.expression + " AS " + key(i)
	}
	return strings.Join(parts, ", ")
}

// keys joins the names that expressions gives.
func keys(columns []column) string {
	parts := make([]string, len(columns))
	for i := range columns {
		parts[i] = key(i)
	}
	return strings.Join(parts, ", ")
}

func key(i int) string { return "k" + string(rune('a'+i)) }
