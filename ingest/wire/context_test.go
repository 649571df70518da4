package wire

import (
	"strings"
	"testing"
)

func TestWeight(t *testing.T) {
	f := func(state string, want float64) {
		t.Helper()
		if got := Weight([]byte(state)); got != want {
			t.Errorf("%q: weight %v, want %v", state, got, want)
		}
	}
	f("", 1)
	f("ot=th:0", 1)
	f("ot=th:8", 2)
	f("ot=th:c", 4)
	f("ot=th:f", 16)
	f("ot=th:fd70a3d70a3d71", maxThreshold/float64(maxThreshold-0xfd70a3d70a3d71))
	f("ot=th:ffffffffffffff", 1<<56)
	f("ot=rv:1234567890abcd;th:c", 4)
	f("a=b, ot=th:c ,z=y", 4)
	f("other=ot=th:c", 1)
	f("ot=th:", 1)
	f("ot=th:fffffffffffffff", 1)
	f("ot=th:-1", 1)
	f("ot=th:xyz", 1)
	f("ot=rv:c", 1)
}

func TestIDs(t *testing.T) {
	f := func(id string, n int, want bool) {
		t.Helper()
		if got := IsID([]byte(id), n); got != want {
			t.Errorf("%q of %d bytes: %v, want %v", id, n, got, want)
		}
		if got := string(ValidID([]byte(id), n)); want && got != id || len(id) != n && got != "" {
			t.Errorf("%q of %d bytes is stored as %q", id, n, got)
		}
	}
	f("", 8, false)
	f("1234567", 8, false)
	f("12345678", 8, true)
	f("123456789", 8, false)
	f(strings.Repeat("\x00", 8), 8, false)
	f(strings.Repeat("\x00", 15)+"\x01", 16, true)
}
