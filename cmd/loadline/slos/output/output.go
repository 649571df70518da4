// Package output writes answers for people and programs: tables, CSV, JSON and YAML.
package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The formats of output.
const (
	Table = "table"
	JSON  = "json"
	YAML  = "yaml"
	CSV   = "csv"
)

// Rows are text in aligned columns.
type Rows struct {
	headings []string
	rows     [][]string
}

// New returns a table without rows. A heading with > in front is of a column of numbers, which are aligned to the right.
func New(headings ...string) *Rows { return &Rows{headings: headings} }

// Len is the number of rows, without the headings.
func (t *Rows) Len() int { return len(t.rows) }

// Add appends a row with a cell for each heading.
func (t *Rows) Add(cells ...string) {
	for i, c := range cells {
		cells[i] = Printable(c)
	}
	t.rows = append(t.rows, cells)
}

// Printable keeps control characters away from the terminal.
func Printable(s string) string {
	if quoted := strconv.Quote(s); strings.Contains(quoted, `\x`) || strings.ContainsAny(s, "\n\r\t\a\b\f\v") || strings.Contains(quoted, `\u`) {
		return quoted
	}
	return s
}

// String is the table with its headings. Columns in which no row has anything are left out.
func (t *Rows) String() string { return t.text(-1) }

// Body is the table without its headings.
func (t *Rows) Body() string { return t.text(0) }

// text is the table from a row on; row -1 is the headings.
func (t *Rows) text(from int) string {
	var b strings.Builder
	widths := make([]int, len(t.headings))
	for i, h := range t.headings {
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		if widths[i] > 0 && from < 0 {
			widths[i] = max(widths[i], utf8.RuneCountInString(strings.TrimPrefix(h, ">")))
		}
	}
	for n := from; n < len(t.rows); n++ {
		var line strings.Builder
		for i, h := range t.headings {
			if widths[i] == 0 {
				continue
			}
			name, right := strings.CutPrefix(h, ">")
			cell := name
			if n >= 0 {
				cell = t.rows[n][i]
			}
			if line.Len() > 0 {
				line.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if right {
				cell, pad = pad+cell, ""
			}
			line.WriteString(cell + pad)
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	return b.String()
}

// CSV is the table for spreadsheets.
func (t *Rows) CSV() (string, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	names := make([]string, len(t.headings))
	for i, h := range t.headings {
		names[i] = strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(h, ">")), " ", "_")
	}
	if err := w.WriteAll(append([][]string{names}, t.rows...)); err != nil {
		return "", fmt.Errorf("write CSV: %w", err)
	}
	return b.String(), nil
}

// Encode writes a value as JSON or YAML.
func Encode(v any, format string) (string, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encode JSON: %w", err)
	}
	if format == JSON {
		return string(text) + "\n", nil
	}
	// JSON is YAML: what is left is to write it in YAML's own style.
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		return "", fmt.Errorf("encode YAML: %w", err)
	}
	plain(&n)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&n); err != nil {
		return "", fmt.Errorf("encode YAML: %w", err)
	}
	return b.String(), nil
}

// plain takes the style of JSON from a node.
func plain(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "\n") {
		n.Style = yaml.LiteralStyle
	}
	for _, c := range n.Content {
		plain(c)
	}
}
