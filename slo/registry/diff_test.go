package registry

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	f := func(before, after, want string) {
		t.Helper()
		var got strings.Builder
		for _, l := range Diff(before, after) {
			got.WriteString(l.Op + l.Text + "|")
		}
		if got.String() != want {
			t.Errorf("%q to %q: %s, want %s", before, after, got.String(), want)
		}
	}
	f("", "", "")
	f("", "a\n", "+a|")
	f("a\n", "", "-a|")
	f("a\nb\n", "a\nb\n", " a| b|")
	f("a\nb\nc", "a\nx\nc\n", " a|-b|+x| c|")
	f("a\nb\nc\n", "b\nc\nd\n", "-a| b| c|+d|")
	f("a\na\n", "a\n", " a|-a|")
	f("a\n\nb\n", "a\nb\n", " a|-| b|")
}

// Whatever the texts are, the lines that were there and those that are there can be read from the difference.
func TestDiffIsWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	make := func(n int) string {
		var b strings.Builder
		for range random.IntN(n) {
			b.WriteByte("abcdef"[random.IntN(6)])
			b.WriteByte('\n')
		}
		return b.String()
	}
	check := func(before, after string) {
		t.Helper()
		var a, b strings.Builder
		for _, l := range Diff(before, after) {
			if l.Op != "+" {
				a.WriteString(l.Text + "\n")
			}
			if l.Op != "-" {
				b.WriteString(l.Text + "\n")
			}
		}
		if a.String() != before || b.String() != after {
			t.Fatalf("%q to %q reads as %q to %q", before, after, a.String(), b.String())
		}
	}
	for range 2000 {
		check(make(12), make(12))
	}
	large := strings.Repeat("x\ny\n", 1500)
	check("a\n"+large, large+"b\n")
}
