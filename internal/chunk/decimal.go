package chunk

import "math"

const (
	// maxInteger bounds integers: below it each has a float of its own.
	maxInteger = 1 << 53
	// maxMantissa bounds the mantissas of decimals with places: below it multiplying a value by its power of ten is
	// wrong by less than a half, so that rounding finds the mantissa.
	maxMantissa = 1 << 51
)

const (
	// minRun is how many decimals in a row make leaving Raw worth a chunk.
	minRun = 8
	// perPiece is how many samples there have to be for each piece, a few aside.
	perPiece = 64
	// freePieces is how many pieces there may be in any case.
	freePieces = 4
)

// piece is a run of values that share a scale; end is where it ends.
type piece struct {
	end   int
	scale int8
}

// split cuts values into runs of decimals that have a scale in common and runs of others. A chunk costs some 15 bytes and
// a cold decimal one or two, so that a few decimals between others are not worth a chunk; and where the kind changes
// again and again all values go into one raw piece.
func split(pieces []piece, values []float64) []piece {
	most := freePieces + len(values)/perPiece
	for start := 0; start < len(values); {
		if len(pieces) == most {
			return append(pieces[:0], piece{end: len(values), scale: Raw})
		}
		n, scale := decimals(values[start:])
		if n < minRun && start+n < len(values) {
			n, scale = n+others(values[start+n:]), Raw
		}
		start += n
		pieces = append(pieces, piece{end: start, scale: scale})
	}
	return pieces
}

// decimals returns how many of the first values are decimals with a scale in common, and the smallest such scale.
func decimals(values []float64) (n int, scale int8) {
	largest := 0.0
	for i, v := range values {
		if scale == 0 && float64(int64(v)) == v && math.Abs(v) < maxInteger && !negativeZero(v) {
			largest = max(largest, math.Abs(v))
			continue
		}
		if scale == 0 || !isDecimal(v, scale) {
			next, ok := smallest(v, scale+1)
			if !ok || next <= scale || largest*pow10[next] >= maxMantissa {
				return i, scale
			}
			scale = next
		}
		largest = max(largest, math.Abs(v))
	}
	return len(values), scale
}

// others returns how many of the first values come before the first long run of decimals.
func others(values []float64) int {
	run := 0
	for i, v := range values {
		if !isDecimal(v, topScale(v)) {
			run = 0
		} else if run++; run == minRun {
			return i + 1 - minRun
		}
	}
	return len(values)
}

// smallest returns the smallest scale from least on of which v is a decimal, or one below least if there is none. It
// returns false if v is no decimal.
func smallest(v float64, least int8) (int8, bool) {
	top := topScale(v)
	if !isDecimal(v, top) {
		return 0, false
	}
	scale := min(least, top)
	for !isDecimal(v, scale) {
		scale++
	}
	return scale, true
}

// topScale is the largest scale of which v may be a decimal. A decimal of a smaller scale is one of this, too, so that
// one look tells whether v is a decimal.
func topScale(v float64) int8 {
	exponent := int(math.Float64bits(v)>>52&0x7ff) - 1023
	if exponent >= 50 {
		return 0
	}
	top := int8(min((50-exponent)*1233>>12, maxScale)) // 1233/4096 is log10(2), rounded down
	if top < maxScale && math.Abs(v)*pow10[top+1] < maxMantissa {
		return top + 1
	}
	return top
}

// isDecimal reports whether v comes back from its mantissa of a scale bit by bit. NaN, infinities and -0 do not.
func isDecimal(v float64, scale int8) bool {
	bound := float64(maxMantissa)
	if scale == 0 {
		bound = maxInteger
	}
	if !(math.Abs(v)*pow10[scale] < bound) {
		return false
	}
	return math.Float64bits(float64(mantissa(v, scale))/pow10[scale]) == math.Float64bits(v)
}

// mantissa is v times 10^scale, rounded.
func mantissa(v float64, scale int8) int64 {
	if scale == 0 {
		return int64(v)
	}
	return int64(v*pow10[scale] + math.Copysign(0.5, v))
}

func negativeZero(v float64) bool { return v == 0 && math.Signbit(v) }
