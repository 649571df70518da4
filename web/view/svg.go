package view

import (
	"fmt"
	"html"
	"net/url"
	"strings"
)

// PathEscape makes a name fit for one part of a path.
func PathEscape(name string) string { return url.PathEscape(name) }

// branch draws the line that joins a row of the waterfall to its parent.
func branch(depth int) string {
	if depth == 0 {
		return "M0 0"
	}
	x := 5 + min(depth, 24)*14
	return fmt.Sprintf("M%d 0V14H%d", x-7, x+1)
}

// tabIndex makes exactly one row reachable with the tab key: the selected one, else the first.
func tabIndex(t Trace, r SpanRow, i int) string {
	if r.Selected || (i == 0 && t.Detail == nil) {
		return "0"
	}
	return "-1"
}

// Highlight turns a shell or configuration snippet into HTML with the classes of the style sheet. All text is escaped.
func Highlight(snippet string) string {
	lines := strings.Split(snippet, "\n")
	for i, line := range lines {
		comment := strings.HasPrefix(strings.TrimSpace(line), "#") || strings.HasPrefix(strings.TrimSpace(line), "//")
		name, value, assigns := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		switch {
		case comment:
			lines[i] = `<span class="c">` + html.EscapeString(line) + `</span>`
		case strings.HasPrefix(line, "export ") && assigns:
			lines[i] = `export <span class="k">` + html.EscapeString(name) + `</span>=<span class="s">` + html.EscapeString(value) + `</span>`
		default:
			lines[i] = html.EscapeString(line)
		}
	}
	return strings.Join(lines, "\n")
}

// NoColor is the colour of what belongs to no service.
const NoColor = 9

// Color gives a service one of eight colours, always the same one on every page. The start of the hash is one with
// which the services of the demo all differ.
func Color(service string) int {
	h := uint32(434)
	for i := range len(service) {
		h = (h ^ uint32(service[i])) * 16777619
	}
	return int((h^h>>16)%8) + 1
}

// Position writes a percentage for an SVG attribute.
func Position(percent float64) string { return precise(percent) }

// Decimal writes a length for an SVG attribute.
func Decimal(v float64) string { return number(v) }
