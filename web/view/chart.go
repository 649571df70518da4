package view

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Numbers are values over time. JSON writes NaN as null and the rest with four digits, which is finer than a pixel.
type Numbers []float64

// MarshalJSON implements json.Marshaler.
func (n Numbers) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 6*len(n)+2)
	b = append(b, '[')
	for i, v := range n {
		if i > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendFloat(b, round4(v), 'f', -1, 64)
		}
	}
	return append(b, ']'), nil
}

// round4 keeps four digits, and no more than twelve after the point.
func round4(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, min(12, 3-math.Floor(math.Log10(math.Abs(v)))))
	return math.Round(v*scale) / scale
}

// A Chart is a time series chart. Its JSON is what the script draws from.
type Chart struct {
	ID     string   `json:"id"`
	Title  string   `json:"-"`
	Sub    string   `json:"-"`
	Topic  string   `json:"-"`
	Unit   string   `json:"unit"` // ms, rps, pct, bytes, burn, num
	Stack  bool     `json:"stack,omitempty"`
	Series []Series `json:"series"`
	Columns
	Marks []Mark   `json:"marks,omitempty"`
	Floor float64  `json:"floor,omitempty"` // the least that the top of the scale may be
	Link  string   `json:"link,omitempty"`  // address of a trace with "ID" in place of its id
	Size  string   `json:"-"`               // class of the plot: "", sm or lg
	Error *Failure `json:"-"`
	Empty string   `json:"-"` // what to say when there is no data
}

// Columns are the numbers of a chart: one column per series, one value per step from T0 on.
type Columns struct {
	T0   int64      `json:"t0"`   // seconds since the epoch
	Step int64      `json:"step"` // seconds
	Y    []Numbers  `json:"y"`
	Ex   []Exemplar `json:"ex,omitempty"`

	// Part is how much of the last step had passed; it is drawn lighter and not used in the legend when below 1.
	Open bool `json:"open,omitempty"`
}

// Series is one line or one colour of bars.
type Series struct {
	Label string `json:"l"`
	Color string `json:"c"`
	Area  bool   `json:"area,omitempty"`
}

// An Exemplar is a real request behind a chart.
type Exemplar struct {
	T     int64   `json:"t"`
	V     float64 `json:"v"`
	ID    string  `json:"id"`
	Error bool    `json:"err,omitempty"`
	Name  string  `json:"n,omitempty"`
}

// A Mark is a deployment.
type Mark struct {
	T     int64  `json:"t"`
	Label string `json:"l"`
}

// A Failure is a panel that could not be computed.
type Failure struct {
	What   string // what failed, for everybody
	Detail string // the error, behind a fold
}

// HasData reports whether any value exists.
func (c Columns) HasData() bool {
	for _, y := range c.Y {
		for _, v := range y {
			if !math.IsNaN(v) && v != 0 {
				return true
			}
		}
	}
	return false
}

// last returns the newest complete value of a series. Where requests are rare that may be a few steps back; NaN when
// there is none in the last tenth of the range.
func (c Columns) last(i int) float64 {
	y := c.Y[i]
	n := len(y) - 1
	if c.Open {
		n--
	}
	for j := n; j >= 0 && j >= n-max(len(y)/10, 2); j-- {
		if !math.IsNaN(y[j]) {
			return y[j]
		}
	}
	return math.NaN()
}

// Value writes a value of the chart with its unit.
func (c Chart) Value(v float64) string {
	switch {
	case math.IsNaN(v):
		return None
	case math.IsInf(v, 0):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v < 0:
		return "−" + c.Value(-v)
	case c.Unit == "ms":
		return Duration(time.Duration(v * 1e6))
	case c.Unit == "pct":
		return Percent(v / 100)
	case c.Unit == "burn":
		return Number(v) + "×"
	case c.Unit == "bytes":
		return Bytes(uint64(v))
	case c.Unit == "num":
		return Number(v)
	default:
		return Rate(v)
	}
}

// Legend is the text beside a series' name.
func (c Chart) Legend(i int) string { return c.Value(c.last(i)) }

// top is the largest value that the scale must show.
func (c Chart) top() float64 {
	var hi float64
	for j := range c.length() {
		var sum float64
		for _, y := range c.Y {
			if v := y[j]; !math.IsNaN(v) && !math.IsInf(v, 0) {
				if c.Stack {
					sum += v
				} else {
					sum = max(sum, v)
				}
			}
		}
		hi = max(hi, sum)
	}
	return max(hi*1.12, c.Floor, 1e-9)
}

// bottom is the smallest value that the scale must show: 0 unless there are negative ones.
func (c Chart) bottom() float64 {
	var lo float64
	for _, y := range c.Y {
		for _, v := range y {
			if v < lo && !math.IsInf(v, 0) {
				lo = v
			}
		}
	}
	return lo * 1.12
}

func (c Chart) length() int {
	if len(c.Y) == 0 {
		return 0
	}
	return len(c.Y[0])
}

// Path draws series i into a box of 600 by 100 for the first paint, before the script takes over. Gaps stay gaps.
func (c Chart) Path(i int) string {
	n, hi, lo := c.length(), c.top(), c.bottom()
	if n < 2 {
		return ""
	}
	stride := max(1, n/90)
	var b strings.Builder
	pen := byte('M')
	for j := 0; j < n; j += stride {
		v := c.Y[i][j]
		if c.Stack {
			for _, y := range c.Y[:i] {
				v += y[j]
			}
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			pen = 'M'
			continue
		}
		fmt.Fprintf(&b, "%c%.0f %.0f", pen, float64(j)/float64(n-1)*600, 100-(v-lo)/(hi-lo)*100)
		pen = 'L'
	}
	return b.String()
}

// Summary says in words what the chart shows.
func (c Chart) Summary() string {
	var b strings.Builder
	for i, s := range c.Series {
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, v := range c.Y[i] {
			if !math.IsNaN(v) {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
		if lo > hi {
			fmt.Fprintf(&b, "%s: no data. ", s.Label)
			continue
		}
		fmt.Fprintf(&b, "%s: now %s, between %s and %s. ", s.Label, c.Legend(i), c.Value(lo), c.Value(hi))
	}
	return strings.TrimSpace(b.String())
}

// sparkBox is the height of a sparkline's box, whose width is 100.
const sparkBox = 30

// Spark draws a sparkline. Its scale spans at least 30 % of the largest value, so that noise does not look like drama.
func Spark(values []float64) string {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if lo > hi || len(values) < 2 {
		return ""
	}
	if hi-lo < hi*.3 {
		middle := (hi + lo) / 2
		lo, hi = middle-hi*.15, middle+hi*.15
	}
	span := max(hi-lo, 1e-12)
	if hi <= 0 { // all zero: a line at the bottom
		lo, span = 0, 1
	}
	var b strings.Builder
	pen := byte('M')
	for i, v := range values {
		if math.IsNaN(v) {
			pen = 'M'
			continue
		}
		b.WriteByte(pen)
		fmt.Fprintf(&b, "%.0f %.0f", float64(i)/float64(len(values)-1)*100, sparkBox-2-(v-lo)/span*(sparkBox-4))
		pen = 'L'
	}
	return b.String()
}

// SparkArea closes a sparkline without gaps to the bottom of its box.
func SparkArea(line string) string {
	if line == "" || strings.Count(line, "M") > 1 || !strings.HasPrefix(line, "M0 ") {
		return ""
	}
	return line + "L100 30L0 30Z"
}

// A Heatmap counts requests by time and duration.
type Heatmap struct {
	ID      string   `json:"id"`
	Title   string   `json:"-"`
	Sub     string   `json:"-"`
	Topic   string   `json:"-"`
	Columns int      `json:"cols"`
	Rows    int      `json:"rows"`
	T0      int64    `json:"t0"`
	Step    int64    `json:"step"`
	Low     float64  `json:"low"`   // milliseconds at the bottom
	Ratio   float64  `json:"ratio"` // from one row's bound to the next
	Cells   Numbers  `json:"v"`     // row by row from the bottom, 0 to 99 of the greatest count
	Max     float64  `json:"max"`
	Link    string   `json:"link,omitempty"` // address of a search with FROM, TO, MIN and MAX to be filled in
	Labels  []Tick   `json:"-"`
	Size    string   `json:"-"`
	Error   *Failure `json:"-"`
	Empty   string   `json:"-"`
}

// A Tick is a label at a share of an axis' length from the top or left.
type Tick struct {
	At    string // a percentage
	Label string
}
