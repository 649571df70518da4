// Package render writes what the Prometheus HTTP API answers as JSON, series by series, without building the document
// in memory first. The bytes are those that Prometheus itself writes.
package render

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
)

// AppendTimestamp appends a time in Unix milliseconds as seconds, with three decimals or, for a
// whole second, none.
func AppendTimestamp(b []byte, t int64) []byte {
	if t < 0 {
		b = append(b, '-')
		t = -t
	}
	b = strconv.AppendInt(b, t/1000, 10)
	ms := t % 1000
	if ms == 0 {
		return b
	}
	return append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// exactInteger is how far every integer is a float64 and has no exponent when printed.
const exactInteger = 1 << 53

// AppendFloat appends a value as a quoted string: JSON has no NaN and no infinity.
func AppendFloat(b []byte, f float64) []byte {
	b = append(b, '"')
	b = appendBareFloat(b, f)
	return append(b, '"')
}

func appendBareFloat(b []byte, f float64) []byte {
	// Most values of counters are whole numbers, which are printed five times faster as integers.
	if i := int64(f); f > -exactInteger && f < exactInteger && float64(i) == f && (i != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(b, i, 10)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, 64)
}

// AppendHistogram appends a native histogram: count, sum, and the buckets that are not empty as
// [boundary rule, lower, upper, count].
func AppendHistogram(b []byte, h *histogram.FloatHistogram) []byte {
	b = append(b, `{"count":`...)
	b = AppendFloat(b, h.Count)
	b = append(b, `,"sum":`...)
	b = AppendFloat(b, h.Sum)
	open := false
	for it := h.AllBucketIterator(); it.Next(); {
		bucket := it.At()
		if bucket.Count == 0 {
			continue
		}
		if open {
			b = append(b, ',')
		} else {
			b = append(b, `,"buckets":[`...)
			open = true
		}
		b = append(b, '[', boundaryRule(bucket), ',')
		b = AppendFloat(b, bucket.Lower)
		b = append(b, ',')
		b = AppendFloat(b, bucket.Upper)
		b = append(b, ',')
		b = AppendFloat(b, bucket.Count)
		b = append(b, ']')
	}
	if open {
		b = append(b, ']')
	}
	return append(b, '}')
}

// boundaryRule says which ends of a bucket belong to it: 0 the upper, 1 the lower, 2 none, 3 both.
func boundaryRule(b histogram.Bucket[float64]) byte {
	switch {
	case b.LowerInclusive && b.UpperInclusive:
		return '3'
	case b.LowerInclusive:
		return '1'
	case b.UpperInclusive:
		return '0'
	}
	return '2'
}

// AppendExactHistogram appends a native histogram as the base64 of its protobuf message prometheus.Histogram with float
// counts, in quotes. Unlike the JSON form it loses nothing.
func AppendExactHistogram(b []byte, t int64, h *histogram.FloatHistogram) ([]byte, error) {
	message := prompb.FromFloatHistogram(t, h)
	raw, err := message.Marshal()
	if err != nil {
		return b, err
	}
	if h.Sum == 0 && math.Signbit(h.Sum) {
		// The generated code takes -0 for the default and leaves it out; field 3 is the sum, a double.
		raw = append(raw, 3<<3|1, 0, 0, 0, 0, 0, 0, 0, 0x80)
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, raw)
	return append(b, '"'), nil
}

// AppendLabels appends labels as an object.
func AppendLabels(b []byte, ls labels.Labels) []byte {
	b = append(b, '{')
	first := true
	ls.Range(func(l labels.Label) {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = AppendLabel(b, l.Name)
		b = append(b, ':')
		b = AppendLabel(b, l.Value)
	})
	return append(b, '}')
}

const hex = "0123456789abcdef"

// AppendLabel appends a string as Prometheus writes the labels of series: what JSON needs escaped and nothing else.
func AppendLabel(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		b = appendEscaped(b, c)
		start = i + 1
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// AppendString appends a string as Prometheus writes all others: safe inside of HTML, and with U+FFFD for bytes that
// are not UTF-8.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
				b = append(b, s[start:i]...)
				b = appendEscaped(b, c)
				start = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + 1
		case r == '\u2028' || r == '\u2029': // newlines to JavaScript
			b = append(append(b, s[start:i]...), `\u202`...)
			b = append(b, hex[r&0xf])
			start = i + size
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
}
