package output

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRows(t *testing.T) {
	r := New("NAME", ">COUNT", "NOTE", "WHY")
	r.Add("a", "1", "", "x\ty")
	r.Add("später", "1,000", "", "")
	f := func(want, got string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	f("NAME    COUNT  WHY\na           1  \"x\\ty\"\nspäter  1,000\n", r.String())
	f("a           1  \"x\\ty\"\nspäter  1,000\n", r.Body())
	text, err := r.CSV()
	if err != nil {
		t.Fatal(err)
	}
	f("name,count,note,why\na,1,,\"\"\"x\\ty\"\"\"\nspäter,\"1,000\",,\n", text)
	if r.Len() != 2 {
		t.Errorf("%d rows", r.Len())
	}
}

func TestPrintable(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := Printable(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	f(`say "é" \d`, `say "é" \d`)
	f("a\x1b[2J", `"a\x1b[2J"`)
	f("two\nlines", `"two\nlines"`)
	f("\u200b", `"\u200b"`)
	f("", "")
}

func TestEncode(t *testing.T) {
	v := struct {
		Name   string     `json:"name"`
		Text   string     `json:"text"`
		Shares []*float64 `json:"shares"`
		Digits string     `json:"digits"`
	}{Name: "a", Text: "x: 1\ny: 2\n", Shares: []*float64{nil}, Digits: "12"}
	f := func(format, want string) {
		t.Helper()
		got, err := Encode(v, format)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", format, err, diff)
		}
	}
	f(JSON, "{\n  \"name\": \"a\",\n  \"text\": \"x: 1\\ny: 2\\n\",\n  \"shares\": [\n    null\n  ],\n  \"digits\": \"12\"\n}\n")
	f(YAML, "name: a\ntext: |\n  x: 1\n  y: 2\nshares:\n  - null\ndigits: \"12\"\n")
}
