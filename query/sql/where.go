package sql

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"loadline/internal/clickhouse"
)

// Where collects the conditions of a query and the values that they bind. Every value becomes a parameter p0, p1, ...;
// what is written into the text comes from the product alone, never from input. The zero value has no conditions.
type Where struct {
	Args []any // for [Scan]

	conditions []string
}

// Add appends a condition.
func (w *Where) Add(condition string) { w.conditions = append(w.conditions, condition) }

// Bind makes value a parameter of a ClickHouse type and returns how the text refers to it.
func (w *Where) Bind(typ string, value any) string {
	name := "p" + strconv.Itoa(len(w.Args))
	w.Args = append(w.Args, clickhouse.Named(name, value))
	return "{" + name + ":" + typ + "}"
}

// Text binds a string.
func (w *Where) Text(s string) string { return w.Bind("String", s) }

// Texts binds a list of strings.
func (w *Where) Texts(list []string) string { return w.Bind("Array(String)", list) }

// Seconds binds a time for comparison with a slice.
func (w *Where) Seconds(t time.Time) string {
	return "toDateTime(" + w.Bind("UInt32", uint32(min(max(t.Unix(), 0), math.MaxUint32))) + ", 'UTC')"
}

// Nanos binds a time for comparison with ts.
func (w *Where) Nanos(t time.Time) string {
	return "fromUnixTimestamp64Nano(" + w.Bind("Int64", t.UnixNano()) + ", 'UTC')"
}

// Hex binds the hexadecimal text of an identifier for comparison with a column of size bytes.
func (w *Where) Hex(text string, size int) string {
	return "toFixedString(unhex(" + w.Text(text) + "), " + strconv.Itoa(size) + ")"
}

// ParseHex reads the hexadecimal digits, of either case, of an identifier of size bytes. Fewer digits are filled with
// zeros on the left, because tools with 64-bit ids print them so.
func ParseHex(s string, size int) ([]byte, error) {
	if len(s) == 0 || len(s) > 2*size {
		return nil, fmt.Errorf("want 1 to %d hexadecimal digits, not %d", 2*size, len(s))
	}
	if len(s)%2 == 1 {
		s = "0" + s
	}
	id := make([]byte, size)
	_, err := hex.Decode(id[size-len(s)/2:], []byte(s))
	return id, err
}

// Slices binds slices, given in seconds since the epoch, for IN.
func (w *Where) Slices(list []uint32) string { return w.Bind("Array(UInt32)", list) }

// SliceRange bounds the slices to [from, to).
func (w *Where) SliceRange(from, to time.Time) {
	w.Add("slice >= " + w.Seconds(from))
	w.Add("slice < " + w.Seconds(to))
}

// String joins the conditions, one a line.
func (w *Where) String() string {
	if len(w.conditions) == 0 {
		return "1"
	}
	return strings.Join(w.conditions, "\n  AND ")
}
