package registry

import "strings"

// Line is a line of a difference of two texts.
type Line struct {
	Op   string `json:"op"` // " ", "-" or "+"
	Text string `json:"text"`
}

// maxCells bounds the work of a difference; larger ones show everything as replaced.
const maxCells = 4 << 20

// Diff returns the lines of two texts, those that only one of them has marked.
func Diff(before, after string) []Line {
	a, b := lines(before), lines(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	out := make([]Line, 0, len(a)+len(b))
	add := func(op string, lines []string) {
		for _, l := range lines {
			out = append(out, Line{op, l})
		}
	}
	add(" ", a[:head])
	out = append(out, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	add(" ", a[len(a)-tail:])
	return out
}

func lines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// middle finds the longest lines in common by the textbook's table: common[i][j] of what follows line i and line j.
func middle(a, b []string) []Line {
	width := len(b) + 1
	var common []int32
	if len(a)*len(b) <= maxCells {
		common = make([]int32, (len(a)+1)*width)
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if a[i] == b[j] {
					common[i*width+j] = common[(i+1)*width+j+1] + 1
				} else {
					common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
				}
			}
		}
	}
	var out []Line
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case common != nil && i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, Line{" ", a[i]})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common == nil || common[(i+1)*width+j] >= common[i*width+j+1]):
			out = append(out, Line{"-", a[i]})
			i++
		default:
			out = append(out, Line{"+", b[j]})
			j++
		}
	}
	return out
}
