package document

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/spelling"
	"loadline/slo/spec"
)

// one reads text as its only document.
func one(t *testing.T, text string) *Document {
	t.Helper()
	list, problems := Split("f.yaml", []byte(text))
	if len(list) != 1 || len(problems) > 0 {
		t.Fatalf("%d documents of %q, %v", len(list), text, problems)
	}
	return list[0]
}

func messages(problems []spec.Problem) []string {
	var list []string
	for _, p := range problems {
		list = append(list, p.Error())
	}
	return list
}

func TestSplit(t *testing.T) {
	f := func(text string, lines ...int) {
		t.Helper()
		list, problems := Split("", []byte(text))
		var got []int
		for _, d := range list {
			got = append(got, d.Line)
		}
		if diff := cmp.Diff(lines, got); diff != "" || len(problems) > 0 {
			t.Errorf("%q: %s %v", text, diff, problems)
		}
	}
	f("")
	f("# only a comment\n---\n...\n")
	f("a: 1", 1)
	f("\uFEFFa: 1", 1)
	f("a: 1\n---\nb: 2\n", 1, 3)
	f("---\na: 1\n---   \n---\r\nb: 2", 2, 5)
	f("--- a\n--- # comment\nb: |\n  ---\n  text\n", 1, 3)
	f("a: --- b\n", 1)
	f("---x: 1\n", 1)
}

// TestText keeps the text of a document, also of one that begins in the line of its marker.
func TestText(t *testing.T) {
	list, problems := Split("", []byte("a: 1 # kept\n--- {b: 2}\n...\n# c\nc: 3"))
	var got []string
	for _, d := range list {
		got = append(got, d.Text)
	}
	if diff := cmp.Diff([]string{"a: 1 # kept\n", "    {b: 2}\n", "# c\nc: 3"}, got); diff != "" || len(problems) > 0 {
		t.Error(diff, problems)
	}
}

func TestSyntax(t *testing.T) {
	list, problems := Split("f.yaml", []byte("a: 1\n---\nb: [\n---\nc: 1\n--- \nd: x: y\n"))
	if len(list) != 2 || len(problems) != 2 {
		t.Fatalf("%d documents, %v", len(list), problems)
	}
	for i, line := range []int{3, 7} {
		if p := problems[i]; p.File != "f.yaml" || p.Line < line || p.Line > line+1 || p.Remedy == "" {
			t.Errorf("%+v", p)
		}
	}
}

func TestBounds(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		list, problems := Split("f.yaml", []byte(text))
		if len(list) != 0 || len(problems) != 1 || !strings.Contains(problems[0].Message, want) {
			t.Errorf("%.40q: %d documents, %v", text, len(list), problems)
		}
	}
	f(strings.Repeat("# many bytes\n", 100_000), "bytes")
	f(strings.Repeat("a\n---\n", 20_000), "documents")
	f(strings.Repeat("[", 40)+strings.Repeat("]", 40), "nested deeper")
	f("a: ["+strings.Repeat("1,", 25_000)+"]", "more than 20000 values")
	laughs := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'h'; c++ {
		laughs += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 10) + "]\n"
	}
	f(laughs, "more than 20000 values")
}

func TestValues(t *testing.T) {
	d := one(t, `
text: " a b "
number: 7
share: 0.5
flag: true
date: 2026-01-05
none: null
empty: ""
list: [a, b, ""]
alias: &x shared
again: *x
map: {k: v}
`)
	m := d.Root.Map()
	f := func(name string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	f("text", m.Get("text").Text(), "a b")
	f("number", m.Get("number").Uint(10, 1), uint64(7))
	f("share", m.Get("share").Number(), 0.5)
	f("flag", m.Get("flag").Bool(false), true)
	f("date", m.Get("date").Scalar(), "2026-01-05")
	f("none", m.Get("none").Set(), false)
	f("empty", m.Get("empty").IsEmpty(), true)
	f("again", m.Get("again").Text(), "shared")
	f("alias", m.Get("alias").Texts(), []string{"shared"})
	f("missing", m.Get("missing").Uint(10, 3), uint64(3))
	f("missing", m.Get("missing").Bool(true), true)
	f("missing", m.Get("missing").Items(), []Value(nil))
	f("map", m.Get("map").Map().Names(), []string{"k"})
	f("problems", messages(d.Problems()), []string(nil))
	f("list", m.Get("list").Texts(), []string{"a", "b"})
	m.Done()
	f("problems", messages(d.Problems()), []string{"f.yaml:9:14: list[2]: is empty; leave it out"})
}

func TestWrongTypes(t *testing.T) {
	d := one(t, "text: 1.50\nnumber: -1\nlarge: 99\nflag: yes\nlist: a\nmap: a\nscalar: [a]\nshare: .inf\ndate: 2026-01-05\nlong: "+strings.Repeat("x", maxText+1))
	m := d.Root.Map()
	m.Get("text").Text()
	m.Get("number").Uint(10, 0)
	m.Get("large").Uint(10, 0)
	m.Get("flag").Bool(true)
	m.Get("list").Items()
	m.Get("map").Map().Require("never", "asked")
	m.Get("scalar").Scalar()
	m.Get("share").Number()
	m.Get("date").Text()
	m.Get("long").Text()
	m.Done()
	want := []string{
		`f.yaml:1:7: text: is the number 1.50 where a text is expected; put it in quotes: "1.50"`,
		`f.yaml:2:9: number: is the number -1 where a whole number is expected; write one from 0 to 10`,
		`f.yaml:3:8: large: is the number 99 where a whole number is expected; write one from 0 to 10`,
		`f.yaml:4:7: flag: is "yes" where true or false is expected; write true or false, without quotes`,
		`f.yaml:5:7: list: is "a" where a list is expected; begin each item with "- "`,
		`f.yaml:6:6: map: is "a" where fields are expected; write fields as "name: value", one a line`,
		`f.yaml:7:9: scalar: is a list where one value is expected`,
		`f.yaml:8:8: share: is the number .inf where a number is expected; write it without quotes and without a unit`,
		`f.yaml:9:7: date: is the date 2026-01-05 where a text is expected; put it in quotes: "2026-01-05"`,
		`f.yaml:10:7: long: has 16385 bytes, more than 16384; shorten it`,
	}
	if diff := cmp.Diff(want, messages(d.Problems())); diff != "" {
		t.Error(diff)
	}
}

func TestMap(t *testing.T) {
	d := one(t, "servce: a\nservice: b\nservice: c\n? [x]\n: y\nspec:\n  inner: {Max-Groups: 1, zebra: 1}\n")
	m := d.Root.Map()
	m.Get("service")
	m.Require("name", "name it")
	inner := m.Get("spec").Map().Get("inner").Map()
	inner.Get("max_groups")
	inner.Done()
	m.Done()
	want := []string{
		`f.yaml:1:1: name: is missing; name it`,
		`f.yaml:1:1: servce: unknown field; did you mean "service"?`,
		`f.yaml:3:1: service: is there twice, first in line 2; remove one`,
		`f.yaml:4:3: a field has no name; write "name: value"`,
		`f.yaml:7:11: spec.inner.Max-Groups: unknown field; did you mean "max_groups"?`,
		`f.yaml:7:26: spec.inner.zebra: unknown field; the fields here are max_groups`,
	}
	if diff := cmp.Diff(want, messages(d.Problems())); diff != "" {
		t.Error(diff)
	}
	if !d.Failed() {
		t.Error("the document has not failed")
	}
}

// TestProblemsAreBounded keeps what is told of a file readable, and each problem once.
func TestProblemsAreBounded(t *testing.T) {
	d := one(t, "a: ["+strings.Repeat("1,", 5000)+"]\n")
	for range 2 {
		d.Root.Map().Get("a").Texts()
	}
	if got := len(d.Problems()); got != MaxProblems {
		t.Errorf("%d problems", got)
	}
	d = one(t, "a: 1\n")
	for range 2 {
		d.Root.Map().Get("a").Text()
	}
	if got := len(d.Problems()); got != 1 {
		t.Errorf("%d problems", got)
	}
}

func TestNested(t *testing.T) {
	d := one(t, "x: 1\nannotation: |\n  a: [1]\n  b: c\nbroken: '{a'\nempty: ' '\n")
	m := d.Root.Map()
	inner := m.Get("annotation").Nested().Map()
	if got := inner.Get("b").Text(); got != "c" {
		t.Errorf("%q", got)
	}
	inner.Get("a").Texts()
	m.Get("broken").Nested()
	m.Get("empty").Nested()
	if v := m.Get("missing").Nested(); v.Set() {
		t.Error("a missing value is there")
	}
	want := []string{
		`f.yaml:2:13: annotation.a[0]: is the number 1 where a text is expected; put it in quotes: "1"`,
		`f.yaml:5:9: broken: is not YAML; write a text, or fields as {name: value}`,
		`f.yaml:6:8: empty: is not YAML; write a text, or fields as {name: value}`,
	}
	if diff := cmp.Diff(want, messages(d.Problems())); diff != "" {
		t.Error(diff)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"service", "operations", "good", "group_by", "max_groups", "where"}
	f := func(name, want string) {
		t.Helper()
		if got := spelling.Nearest(name, words); got != want {
			t.Errorf("%q: %q, not %q", name, got, want)
		}
	}
	f("servce", "service")
	f("Service", "service")
	f("groupBy", "group_by")
	f("opertions", "operations")
	f("gud", "good")
	f("wher", "where")
	f("zebra", "")
	f("x", "")
	f("", "")
	f(strings.Repeat("service", 100), "")
}

func TestBuilder(t *testing.T) {
	inner := NewBuilder()
	inner.Text("text", "no")
	inner.Text("empty", "")
	inner.Number("share", "0.50")
	inner.Number("count", "3")
	b := NewBuilder()
	b.Text("quoted", "a: b")
	b.Text("lines", "one\ntwo")
	b.Text("number", "12")
	b.Bool("flag", false)
	b.Texts("one", []string{"x"})
	b.Texts("two", []string{"x", "y"})
	b.List("none", nil)
	b.Map("inner", inner)
	b.Map("nothing", NewBuilder())
	b.Sorted("sorted", map[string]string{"b": "2", "a": "1"})
	b.Labels("labels", map[string][]string{"k": {"v", "w"}})
	b.Maps("maps", []*Builder{inner})
	text, err := b.YAML()
	want := `quoted: 'a: b'
lines: |-
  one
  two
number: "12"
flag: false
one: x
two:
  - x
  - "y"
inner:
  text: "no"
  share: 0.50
  count: 3
sorted:
  a: "1"
  b: "2"
labels:
  k:
    - v
    - w
maps:
  - text: "no"
    share: 0.50
    count: 3
`
	if diff := cmp.Diff(want, string(text)); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// TestShare moves what two mappings have alike, wherever it stands in them.
func TestShare(t *testing.T) {
	a, b, shared := NewBuilder(), NewBuilder(), NewBuilder()
	for _, m := range []*Builder{a, b} {
		m.Text("alike", "x")
		m.Text("kept", "k")
	}
	a.Text("other", "1")
	b.Text("other", "2")
	a.Text("only", "a")
	b.Texts("list", []string{"p", "q"})
	a.Texts("list", []string{"p", "q"})
	shared.Share([]*Builder{a, b}, "kept")
	f := func(m *Builder, want string) {
		t.Helper()
		text, err := m.YAML()
		if diff := cmp.Diff(want, string(text)); diff != "" || err != nil {
			t.Error(diff, err)
		}
	}
	f(shared, "alike: x\nlist:\n  - p\n  - q\n")
	f(a, "kept: k\nother: \"1\"\nonly: a\n")
	f(b, "kept: k\nother: \"2\"\n")
	if got := NewBuilder().Single(); got != "" {
		t.Errorf("%q", got)
	}
	if got := shared.Single(); got != "x" {
		t.Errorf("%q", got)
	}
}
