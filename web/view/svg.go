package view

import (
	"fmt"
	"net/url"
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
