package slos

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
	asTable = "table"
	asJSON  = "json"
	asYAML  = "yaml"
	asCSV   = "csv"
)

// table is text in aligned columns. A heading with > in front is of a column of numbers, which are aligned to the right.
type table struct {
	headings []string
	rows     [][]string
}

func newTable(headings ...string) *table { return &table{headings: headings} }

func (t *table) add(cells ...string) {
	for i, c := range cells {
		cells[i] = printable(c)
	}
	t.rows = append(t.rows, cells)
}

// printable keeps control characters away from the terminal.
func printable(s string) string {
	if quoted := strconv.Quote(s); strings.Contains(quoted, `\x`) || strings.ContainsAny(s, "\n\r\t\a\b\f\v") || strings.Contains(quoted, `\u`) {
		return quoted
	}
	return s
}

// String drops columns in which no row has anything.
func (t *table) String() string {
	var b strings.Builder
	widths := make([]int, len(t.headings))
	for i, h := range t.headings {
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		if widths[i] > 0 {
			widths[i] = max(widths[i], utf8.RuneCountInString(strings.TrimPrefix(h, ">")))
		}
	}
	for n := -1; n < len(t.rows); n++ {
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

// csv is the table for spreadsheets.
func (t *table) csv() (string, error) {
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

// encode writes a value as JSON or YAML.
func encode(v any, format string) (string, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encode JSON: %w", err)
	}
	if format == asJSON {
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
