package wire

import (
	"fmt"
	"strings"
	"time"
)

// Reason is why an item (span, data point or log record) was rejected.
type Reason uint8

// The reasons, in the order in which messages list them.
const (
	Accepted Reason = iota
	BadTraceID
	BadSpanID
	TooOld
	InFuture
	TooDeep
	NoTime
	NoValue
	BadHistogram
	BadTemporality
	BadScale
	BadName
	BadLabels
	reasons
)

var reasonText = [reasons]struct{ label, sentence string }{
	BadTraceID:     {"bad_trace_id", "trace_id must be 16 bytes, not all zero"},
	BadSpanID:      {"bad_span_id", "span_id must be 8 bytes, not all zero"},
	TooOld:         {"too_old", "the timestamp is older than the retention"},
	InFuture:       {"in_future", "the timestamp is more than an hour in the future: check the sender's clock"},
	TooDeep:        {"too_deep", fmt.Sprintf("an attribute is nested deeper than %d levels", MaxDepth)},
	NoTime:         {"no_time", "time_unix_nano is missing"},
	NoValue:        {"no_value", "the data point has no value"},
	BadHistogram:   {"bad_histogram", "bucket counts, bounds and count contradict each other, or there are too many buckets"},
	BadTemporality: {"bad_temporality", "aggregation temporality is unspecified"},
	BadScale:       {"bad_scale", "the exponential histogram's scale is below -4"},
	BadName:        {"bad_name", fmt.Sprintf("the metric's name has no ASCII letter or digit, or more than %d bytes", MaxNameBytes)},
	BadLabels:      {"bad_labels", "a series has a metric name, and its labels have names that are not empty, not repeated, and in UTF-8"},
}

// Reasons lists every reason for a rejection.
func Reasons() []Reason {
	all := make([]Reason, 0, reasons-1)
	for r := Accepted + 1; r < reasons; r++ {
		all = append(all, r)
	}
	return all
}

// String is the reason as a metric label.
func (r Reason) String() string { return reasonText[r].label }

// Tally counts the items of a request by what became of them. Truncated counts attribute values that were cut, which
// rejects nothing.
type Tally struct {
	Items     [reasons]int
	Truncated int

	// Of remote write: how many of the accepted items are what, and some of what was rejected.
	Samples, Histograms, Exemplars int
	Examples                       []string
}

// Count adds one item.
func (t *Tally) Count(r Reason) { t.Items[r]++ }

// Rejected is the number of items that were not accepted.
func (t *Tally) Rejected() int {
	n := 0
	for _, c := range t.Items[Accepted+1:] {
		n += c
	}
	return n
}

// Message says in English what was rejected or cut, or nothing.
func (t *Tally) Message() string {
	var parts []string
	for _, r := range Reasons() {
		if n := t.Items[r]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d rejected: %s", n, reasonText[r].sentence))
		}
	}
	if t.Truncated > 0 {
		parts = append(parts, fmt.Sprintf("%d attribute values longer than %d bytes were cut", t.Truncated, MaxValueBytes))
	}
	if len(t.Examples) > 0 {
		parts = append(parts, "for example "+strings.Join(t.Examples, "; "))
	}
	return strings.Join(parts, "; ")
}

// Window is the range of event times that are accepted for a request.
type Window struct{ at, oldest, newest uint64 }

// MaxSkew is how far a sender's clock may run ahead.
const MaxSkew = time.Hour

// NewWindow returns the window for a request received at the given time, reaching back by maxAge.
func NewWindow(at time.Time, maxAge time.Duration) Window {
	return Window{
		at:     uint64(max(at.UnixNano(), 0)),
		oldest: uint64(max(at.Add(-maxAge).UnixNano(), 1)),
		newest: uint64(max(at.Add(MaxSkew).UnixNano(), 0)),
	}
}

// At is when the request was received, as Unix time in nanoseconds.
func (w Window) At() uint64 { return w.at }

// Check says whether a Unix time in nanoseconds lies in the window.
func (w Window) Check(ns uint64) Reason {
	switch {
	case ns < w.oldest:
		return TooOld
	case ns > w.newest:
		return InFuture
	}
	return Accepted
}

// SliceSeconds is the width of a time slice of spans, logs and the finest RED rollup.
const SliceSeconds = 10

// Slice is the start, in Unix seconds, of the slice that contains a Unix time in nanoseconds.
func Slice(ns uint64) uint32 {
	s := uint32(ns / 1e9)
	return s - s%SliceSeconds
}
