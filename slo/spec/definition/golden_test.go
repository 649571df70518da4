package definition

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loadline/slo/spec"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file.
func golden(t *testing.T, file, text string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s: %s", path, diff)
	}
}

func problemText(problems []spec.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.Error() + "\n")
	}
	return b.String()
}

// TestFiles reads the files of testdata and keeps, of each, the problems, the promises, and what it is in the short form and
// in OpenSLO.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		objects, problems := Parse(filepath.Base(file), text)
		slos, more := Resolve(objects)
		var b strings.Builder
		b.WriteString(problemText(append(problems, more...)))
		for i := range slos {
			s := &slos[i]
			for k := range s.Objectives {
				b.WriteString("\n" + s.Name + "/" + s.Objectives[k].Name + ": " + spec.Promise(s, &s.Objectives[k]) + "\n")
			}
			for _, format := range []Format{Native, OpenSLO} {
				b.WriteString("\n--- " + string(format) + "\n")
				if text, err := Export(*s, format); err != nil {
					b.WriteString("# " + err.Error() + "\n")
				} else {
					b.Write(text)
				}
			}
		}
		golden(t, strings.TrimSuffix(filepath.Base(file), ".yaml")+".golden", b.String())
	}
}
