package answer

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Print writes the result of a success as table, csv or json.
func (a *Answer) Print(format string) (string, error) {
	if format == "json" {
		var b bytes.Buffer
		if err := json.Indent(&b, a.Data.Result, "", "  "); err != nil {
			return "", fmt.Errorf("indent the result: %w", err)
		}
		return b.String() + "\n", nil
	}
	switch a.Data.Type {
	case "scalar", "string":
		p, err := a.scalar()
		if err != nil {
			return "", err
		}
		if format == "csv" {
			return csvText([][]string{{"time", "value"}, {clock(p.at), p.text}})
		}
		return p.text + "\n", nil
	case "vector", "matrix":
		series, err := a.series()
		if err != nil {
			return "", err
		}
		switch {
		case format == "csv":
			return csvText(seriesRecords(series))
		case len(series) == 0:
			return "no series\n", nil
		case a.Data.Type == "vector":
			return vectorTable(series), nil
		}
		return matrixTable(series), nil
	}
	return "", fmt.Errorf("the result has the unknown type %q", a.Data.Type)
}

// clock spells a time.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z07:00") }

// labelNames are the names of all labels of the series, the metric first.
func labelNames(series []Series) []string {
	names := map[string]bool{}
	for _, s := range series {
		for name := range s.Metric {
			names[name] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(names))
	if i := slices.Index(sorted, "__name__"); i > 0 {
		sorted = slices.Insert(slices.Delete(sorted, i, i+1), 0, "__name__")
	}
	return sorted
}

// seriesRecords are one record for each point: labels, time and value.
func seriesRecords(series []Series) [][]string {
	names := labelNames(series)
	records := [][]string{append(slices.Clone(names), "time", "value")}
	for _, s := range series {
		for _, p := range s.points() {
			var record []string
			for _, name := range names {
				record = append(record, s.Metric[name])
			}
			records = append(records, append(record, clock(p.at), p.text))
		}
	}
	return records
}

func csvText(records [][]string) (string, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	err := w.WriteAll(records)
	return b.String(), err
}

// fold separates the labels that all series have in common, as a selector, from the names of those that tell them apart.
func fold(series []Series) (common string, differing []string) {
	var pairs []string
	metric := ""
	for _, name := range labelNames(series) {
		value, ok := series[0].Metric[name]
		for _, s := range series {
			other, has := s.Metric[name]
			ok = ok && has && other == value
		}
		switch {
		case !ok:
			differing = append(differing, name)
		case name == "__name__":
			metric = value
		default:
			pairs = append(pairs, name+"="+strconv.Quote(value))
		}
	}
	if len(pairs) > 0 || metric == "" && len(differing) == 0 {
		metric += "{" + strings.Join(pairs, ", ") + "}"
	}
	return metric, differing
}

// vectorTable has a row for each series: the labels that differ, and the value.
func vectorTable(series []Series) string {
	common, names := fold(series)
	t := newTable(names, "value")
	for _, s := range series {
		for _, p := range s.points() {
			t.add(&s, names, shortNumber(p))
		}
	}
	return heading(common) + t.String()
}

// matrixTable has a row for each series: the labels that differ, bars, and the last, smallest and largest value.
func matrixTable(series []Series) string {
	common, names := fold(series)
	grid := gridOf(series)
	t := newTable(append(slices.Clone(names), clock(grid.first)+" to "+clock(grid.last)), "last", "min", "max")
	for _, s := range series {
		points := s.points()
		if len(points) == 0 {
			continue
		}
		low, high := points[0], points[0]
		for _, p := range points {
			if p.value < low.value || math.IsNaN(low.value) {
				low = p
			}
			if p.value > high.value || math.IsNaN(high.value) {
				high = p
			}
		}
		t.add(&s, names, grid.sparkline(points), shortNumber(points[len(points)-1]), shortNumber(low), shortNumber(high))
	}
	return heading(common) + t.String()
}

// heading is the line above a table, for the labels that all its series have.
func heading(common string) string {
	if common == "" {
		return ""
	}
	return common + "\n"
}

// maxBars is the largest number of bars of a series.
const maxBars = 61

// grid is the times of a matrix.
type grid struct {
	first, last time.Time
	bars        int // as many as there are points, if they are not too many
}

func gridOf(series []Series) grid {
	var g grid
	step := time.Duration(math.MaxInt64)
	for _, s := range series {
		points := s.points()
		for i, p := range points {
			if g.first.IsZero() || p.at.Before(g.first) {
				g.first = p.at
			}
			if p.at.After(g.last) {
				g.last = p.at
			}
			if i > 0 {
				step = min(step, max(p.at.Sub(points[i-1].at), time.Millisecond))
			}
		}
	}
	g.bars = int(min(g.last.Sub(g.first)/step, maxBars-1)) + 1
	return g
}

// sparkline draws the mean of each stretch of time as a bar; a stretch without a number is blank.
func (g grid) sparkline(points []Point) string {
	sums, counts := make([]float64, g.bars), make([]int, g.bars)
	for _, p := range points {
		i := 0
		if g.bars > 1 {
			i = int(p.at.Sub(g.first).Seconds()/g.last.Sub(g.first).Seconds()*float64(g.bars-1) + 0.5)
		}
		if !math.IsNaN(p.value) && !math.IsInf(p.value, 0) {
			sums[i] += p.value
			counts[i]++
		}
	}
	low, high := math.Inf(1), math.Inf(-1)
	for i, n := range counts {
		if n > 0 {
			sums[i] /= float64(n)
			low, high = min(low, sums[i]), max(high, sums[i])
		}
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for i, n := range counts {
		switch {
		case n == 0:
			b.WriteByte(' ')
		case high == low:
			b.WriteRune(bars[0])
		default:
			b.WriteRune(bars[int((sums[i]-low)/(high-low)*float64(len(bars)-1)+0.5)])
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// shortNumber spells a value for people: whole numbers in full, others with six digits.
func shortNumber(p Point) string {
	v := p.value
	size := math.Abs(v)
	switch {
	case strings.Contains(p.text, "="), math.IsNaN(v), math.IsInf(v, 0):
		return p.text
	case v == math.Trunc(v) && size < 1e15:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case size >= 1e5 && size < 1e15:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// table is text in aligned columns.
type table struct {
	rows [][]string
	left int // the number of columns that are aligned to the left
}

func newTable(left []string, right ...string) *table {
	head := append(slices.Clone(left), right...)
	for i, name := range head {
		if name == "__name__" {
			head[i] = "metric"
		}
	}
	return &table{rows: [][]string{head}, left: len(left)}
}

// add appends a row that begins with the labels of a series.
func (t *table) add(s *Series, names []string, rest ...string) {
	var row []string
	for _, name := range names {
		row = append(row, printable(s.Metric[name]))
	}
	t.rows = append(t.rows, append(row, rest...))
}

// printable keeps control characters of a label away from the terminal.
func printable(s string) string {
	if quoted := strconv.Quote(s); strings.Contains(quoted, `\`) {
		return quoted
	}
	return s
}

func (t *table) String() string {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				line.WriteString("  ")
			}
			if i < t.left {
				line.WriteString(cell + pad)
			} else {
				line.WriteString(pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	return b.String()
}
