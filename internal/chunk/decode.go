package chunk

import (
	"math"
	"unsafe"
)

// times fills t and reports whether the offsets ascend and stay inside the bucket.
func (c *Chunk) times(base int64, t []int64) bool {
	at, delta := int64(c.T0), int64(c.DT)
	t[0] = base + at
	if len(t) == 1 {
		return at <= maxOffset
	}
	at += delta
	t[1] = base + at
	t = t[2:]
	// sign collects the sign bits. Both sums start below 2^33 and cannot pass 2^63 without showing a sign bit.
	sign := int64(0)
	switch len(c.T) {
	case 0:
		for i := range t {
			at += delta
			t[i] = base + at
		}
	case len(t):
		packed := c.T[:len(t)]
		for i := range t {
			delta += unzigzag(uint64(packed[i]))
			at += delta
			sign |= delta | at
			t[i] = base + at
		}
	default:
		wide := words(t)
		widen(wide, c.T)
		for i, z := range wide {
			delta += unzigzag(z)
			at += delta
			sign |= delta | at
			t[i] = base + at
		}
	}
	return sign >= 0 && at <= maxOffset
}

// values fills v.
func (c *Chunk) values(v []float64) {
	if c.Scale == Raw {
		c.raw(v)
		return
	}
	m, pow := c.V0, pow10[c.Scale]
	v[0] = float64(m) / pow
	first := v[0]
	v = v[1:]
	switch len(c.V) {
	case 0:
		for i := range v {
			v[i] = first
		}
	case len(v):
		packed := c.V[:len(v)]
		if c.Scale == 0 {
			for i := range v {
				m += unzigzag(uint64(packed[i]))
				v[i] = float64(m)
			}
			return
		}
		for i := range v {
			m += unzigzag(uint64(packed[i]))
			v[i] = float64(m) / pow
		}
	default:
		wide := words(v)
		widen(wide, c.V)
		for i, z := range wide {
			m += unzigzag(z)
			v[i] = float64(m) / pow
		}
	}
}

// raw fills v from XORed bits.
func (c *Chunk) raw(v []float64) {
	bits := uint64(c.V0)
	v[0] = math.Float64frombits(bits)
	v = v[1:]
	if c.V == "" {
		for i := range v {
			v[i] = math.Float64frombits(bits)
		}
		return
	}
	wide := words(v)
	widen(wide, c.V)
	for i, x := range wide {
		bits ^= x
		v[i] = math.Float64frombits(bits)
	}
}

func unzigzag(z uint64) int64 { return int64(z>>1) ^ -int64(z&1) }

func zigzag(x int64) uint64 { return uint64(x)<<1 ^ uint64(x>>63) }

// words views the memory of numbers: packed integers are widened where the numbers are to stand.
func words[T int64 | float64](numbers []T) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(numbers))), len(numbers))
}

// widen fills dst from byte planes. Up to four planes are taken at a time.
func widen(dst []uint64, planes string) {
	n := len(dst)
	switch len(planes) / n {
	case 1:
		p := planes[:n]
		for i := range dst {
			dst[i] = uint64(p[i])
		}
	case 2:
		p, q := planes[:n], planes[n:][:n]
		for i := range dst {
			dst[i] = uint64(p[i]) | uint64(q[i])<<8
		}
	case 4:
		widen4(dst, planes)
	case 8:
		widen4(dst, planes[:4*n])
		p, q, r, s := planes[4*n:][:n], planes[5*n:][:n], planes[6*n:][:n], planes[7*n:][:n]
		for i := range dst {
			dst[i] |= uint64(p[i])<<32 | uint64(q[i])<<40 | uint64(r[i])<<48 | uint64(s[i])<<56
		}
	}
}

func widen4(dst []uint64, planes string) {
	n := len(dst)
	p, q, r, s := planes[:n], planes[n:][:n], planes[2*n:][:n], planes[3*n:][:n]
	for i := range dst {
		dst[i] = uint64(p[i]) | uint64(q[i])<<8 | uint64(r[i])<<16 | uint64(s[i])<<24
	}
}
