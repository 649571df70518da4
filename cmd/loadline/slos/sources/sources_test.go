package sources

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loadline/slo/spec"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{"a.yaml": "one", "sub/b.yml": "\uFEFFtwo\nthree\n", "c.txt": "no", ".hidden/d.yaml": "no", "e.yaml": ""} {
		path := filepath.Join(dir, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(strings.NewReader("four\n"), []string{dir, "-", filepath.Join(dir, "c.txt")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("one\n---\n---\ntwo\nthree\n---\nfour\n---\nno\n", got.String()); diff != "" {
		t.Error(diff)
	}
	// Lines of the text are those of the files; what stands nowhere stays so.
	var problems []spec.Problem
	for _, line := range []int{0, 1, 5, 7, 9} {
		problems = append(problems, spec.Problem{Line: line})
	}
	want := []spec.Problem{
		{}, {File: filepath.Join(dir, "a.yaml"), Line: 1}, {File: filepath.Join(dir, "sub", "b.yml"), Line: 2}, {File: "-", Line: 1}, {File: filepath.Join(dir, "c.txt"), Line: 1},
	}
	if diff := cmp.Diff(want, got.Place(problems)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(problems, (*Files)(nil).Place(problems)); diff != "" {
		t.Error(diff)
	}
}

func TestReadFails(t *testing.T) {
	f := func(stdin, want string, names ...string) {
		t.Helper()
		if _, err := Read(strings.NewReader(stdin), names); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", names, err, want)
		}
	}
	f("", "there are no definitions", t.TempDir())
	f("", "there are no definitions")
	f("", "none.yaml", "none.yaml")
	f(strings.Repeat("#", maxFile+1), "- is longer than 1048576 bytes", "-")
}
