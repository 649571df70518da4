package wire

import (
	"bytes"
	"strconv"
)

// IsID says whether id is a valid trace or span id of n bytes: one of zeros means none.
func IsID(id []byte, n int) bool {
	if len(id) != n {
		return false
	}
	for _, b := range id {
		if b != 0 {
			return true
		}
	}
	return false
}

// ValidID returns a trace or span id of n bytes, or nothing when it has another length: what only refers to a span is
// kept without the reference. An id of zeros means none and is stored the same.
func ValidID(id []byte, n int) []byte {
	if len(id) != n {
		return nil
	}
	return id
}

// maxThreshold is 2^56, the number of distinct sampling thresholds.
const maxThreshold = 1 << 56

// Weight is the number of spans that a sampled span stands for, from the consistent probability sampling threshold in
// tracestate (ot=th:HEX), or 1.
// Source: OpenTelemetry specification, tracestate-probability-sampling.
func Weight(traceState []byte) float64 {
	for len(traceState) > 0 {
		var member []byte
		member, traceState, _ = bytes.Cut(traceState, []byte{','})
		fields, ok := bytes.CutPrefix(bytes.TrimSpace(member), []byte("ot="))
		if !ok {
			continue
		}
		for len(fields) > 0 {
			var field []byte
			field, fields, _ = bytes.Cut(fields, []byte{';'})
			if digits, ok := bytes.CutPrefix(field, []byte("th:")); ok {
				return thresholdWeight(digits)
			}
		}
	}
	return 1
}

func thresholdWeight(digits []byte) float64 {
	if len(digits) == 0 || len(digits) > 14 {
		return 1
	}
	threshold, err := strconv.ParseUint(string(digits), 16, 64)
	if err != nil {
		return 1
	}
	threshold <<= 4 * (14 - len(digits))
	return maxThreshold / float64(maxThreshold-threshold)
}
