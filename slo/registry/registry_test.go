package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/slo/spec"
	"loadline/slo/store"
)

var (
	ctx = context.Background()
	now = time.Date(2026, 11, 22, 9, 40, 0, int(123*time.Millisecond), time.UTC)
)

// text is a small definition.
func text(name, objective string) string {
	return fmt.Sprintf("slo: %s\nservice: shop\ngood: no errors\nobjective: %s over 30 days\n", name, objective)
}

// composite is a definition that needs others.
func composite(name, of string) string {
	return fmt.Sprintf("slo: %s\nservice: shop\ncombine: all of %s\nobjective: 99%% of minutes over 30 days\n", name, of)
}

func open(t *testing.T, db *clickhouse.DB, path string) *Registry {
	t.Helper()
	r := New(store.New(db), Config{Path: path})
	load(t, r)
	return r
}

func load(t *testing.T, r *Registry) {
	t.Helper()
	if err := r.Load(ctx, now); err != nil {
		t.Fatal(err)
	}
}

func apply(t *testing.T, r *Registry, c Change) Report {
	t.Helper()
	if c.Author == "" {
		c.Author = "ada"
	}
	if c.Source == "" {
		c.Source = "api"
	}
	report, err := r.Apply(ctx, now, c)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// inForce fails unless these are the SLOs in force, each with its target and where it is from.
func inForce(t *testing.T, r *Registry, want ...string) {
	t.Helper()
	slos, _ := r.Current()
	var got []string
	for _, s := range slos {
		o, found := r.Object("SLO", s.Name)
		if !found {
			t.Errorf("%q has no object", s.Name)
		}
		got = append(got, fmt.Sprintf("%s %s %s", s.Name, s.Objectives[0].Target, o.Source))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func actions(r Report) []string {
	var out []string
	for _, o := range r.Objects {
		out = append(out, o.Name+" "+o.Action)
	}
	return out
}

func TestApply(t *testing.T) {
	db := chtest.New(t)
	r := open(t, db, "")
	inForce(t, r)
	changed := r.Changed()

	dry := apply(t, r, Change{Text: text("a", "99.9%"), DryRun: true})
	if d := cmp.Diff([]string{"a created"}, actions(dry)); d != "" || dry.Refused || len(dry.SLOs) != 1 || dry.SLOs[0].Name != "a" {
		t.Errorf("dry run: %+v", dry)
	}
	inForce(t, r)

	report := apply(t, r, Change{Text: text("a", "99.9%") + "---\n" + text("b", "99%")})
	if d := cmp.Diff([]string{"a created", "b created"}, actions(report)); d != "" || report.Revision != 1 || len(report.SLOs) != 2 {
		t.Errorf("%+v", report)
	}
	inForce(t, r, "a 99.9% api", "b 99% api")
	select {
	case <-changed:
	default:
		t.Error("nobody is told")
	}

	// What is the same is no new revision.
	report = apply(t, r, Change{Text: text("a", "99.9%") + "---\n" + text("b", "99.5%"), Source: "ui", Author: "bob"})
	if d := cmp.Diff([]string{"a unchanged", "b changed"}, actions(report)); d != "" || report.Revision != 2 {
		t.Errorf("%+v", report)
	}
	want := []Line{{" ", "slo: b"}, {" ", "service: shop"}, {" ", "good: no errors"}, {"-", "objective: 99% over 30 days"}, {"+", "objective: 99.5% over 30 days"}}
	if d := cmp.Diff(want, report.Objects[1].Diff); d != "" {
		t.Error(d)
	}
	if o, ok := r.Object("SLO", "a"); !ok || o.Revision != 1 {
		t.Errorf("a has revision %d", o.Revision)
	}
	inForce(t, r, "a 99.9% api", "b 99.5% ui")
	if s, ok := r.SLO("b"); !ok || s.Name != "b" {
		t.Errorf("SLO b: %v %v", s, ok)
	}
	if _, ok := r.SLO("c"); ok {
		t.Error("there is an SLO c")
	}

	// Another node, and one that starts, have the same.
	inForce(t, open(t, db, ""), "a 99.9% api", "b 99.5% ui")

	history, err := r.History(ctx, "SLO", "b", 5)
	if err != nil || len(history) != 2 || history[0].Author != "bob" || history[1].Revision != 1 {
		t.Fatalf("%+v, %v", history, err)
	}
	if d := cmp.Diff(want, history[0].Diff()); d != "" {
		t.Error(d)
	}
	if history[1].Diff()[0].Op != "+" {
		t.Errorf("the first revision differs by %v", history[1].Diff())
	}
	if history, _ = r.History(ctx, "SLO", "b", 1); len(history) != 1 || history[0].Diff()[0].Op != " " {
		t.Errorf("a history that was cut: %+v", history)
	}
}

func TestApplyRefuses(t *testing.T) {
	r := open(t, chtest.New(t), "")
	f := func(name, text, message string) {
		t.Helper()
		report := apply(t, r, Change{Text: text})
		var all []string
		for _, p := range report.Problems {
			all = append(all, p.Error())
		}
		if !report.Refused || !strings.Contains(strings.Join(all, "\n"), message) {
			t.Errorf("%s: refused %v, %q", name, report.Refused, all)
		}
		inForce(t, r)
	}
	f("nothing", "", "defines nothing")
	f("a comment", "# later\n", "defines nothing")
	f("a mistake", text("a", "99.9%")+"---\n"+text("b", "199%"), "199")
	f("one of two wrong", text("a", "99.9%")+"---\nslo: b\nservise: x\n", "servise")
	f("twice", text("a", "99.9%")+"---\n"+text("a", "99%"), "twice")
	f("a reference to nothing", composite("c", "a and b"), `"a"`)
}

func TestDelete(t *testing.T) {
	r := open(t, chtest.New(t), "")
	apply(t, r, Change{Text: text("a", "99.9%") + "---\n" + text("b", "99%") + "---\n" + composite("c", "a and b")})
	report, err := r.Delete(ctx, now, Deletion{Name: "b", Author: "bob", Source: "ui"})
	if err != nil || !report.Refused || !spec.Failed(report.Problems) {
		t.Errorf("an SLO that another one needs: %+v, %v", report, err)
	}
	report, err = r.Delete(ctx, now, Deletion{Name: "c", DryRun: true})
	if err != nil || report.Refused || len(report.Objects) != 1 || report.Objects[0].Action != Deleted {
		t.Errorf("dry run: %+v, %v", report, err)
	}
	for _, name := range []string{"c", "b"} {
		if report, err := r.Delete(ctx, now, Deletion{Name: name, Author: "bob", Source: "ui"}); err != nil || report.Refused {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
	inForce(t, r, "a 99.9% api")
	if objects := r.Objects(); len(objects) != 1 || objects[0].Name != "a" {
		t.Errorf("objects %v", objects)
	}
	var nobody *NotFoundError
	if _, err := r.Delete(ctx, now, Deletion{Name: "b"}); !errors.As(err, &nobody) {
		t.Errorf("error %v, want not found", err)
	}
	if report := apply(t, r, Change{Text: text("b", "99%"), Create: true}); report.Refused || report.Objects[0].Action != Created {
		t.Errorf("created again: %+v", report)
	}
	history, err := r.History(ctx, "SLO", "b", 9)
	if err != nil || len(history) != 3 || !history[1].Deleted || history[1].Diff()[0].Op != "-" || history[0].Diff()[0].Op != "+" {
		t.Errorf("history %+v, %v", history, err)
	}
}

func TestConflicts(t *testing.T) {
	db := chtest.New(t)
	r, other := open(t, db, ""), open(t, db, "")
	seen := apply(t, r, Change{Text: text("a", "99.9%")}).Revision
	apply(t, r, Change{Text: text("b", "99%")}) // that b changes does not matter to a
	if report := apply(t, r, Change{Text: text("a", "99.5%"), Expected: seen}); report.Refused {
		t.Errorf("%+v", report)
	}
	f := func(name string, err error, want string) {
		t.Helper()
		var conflict *ConflictError
		if !errors.As(err, &conflict) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	_, err := other.Apply(ctx, now, Change{Text: text("a", "99%"), Expected: seen})
	f("somebody was faster", err, `changed by "ada" at 2026-11-22 09:40:00, revision 3, after you read revision 1`)
	_, err = other.Apply(ctx, now, Change{Text: text("a", "99%"), Create: true})
	f("it exists", err, "exists already")
	_, err = other.Delete(ctx, now, Deletion{Name: "a", Expected: seen})
	f("deletion", err, "revision 3")
	inForce(t, other, "a 99.5% api", "b 99% api")
	if _, err := other.Delete(ctx, now, Deletion{Name: "a", Expected: 3}); err != nil {
		t.Error(err)
	}
	_, err = r.Apply(ctx, now, Change{Text: text("a", "99%"), Expected: 3})
	f("it is gone", err, "revision 4")
}

// Several nodes apply definitions at once: all of them are in force in the end, each once.
func TestApplyAtOnce(t *testing.T) {
	db := chtest.New(t)
	var wg sync.WaitGroup
	for node := range 3 {
		r := open(t, db, "")
		wg.Go(func() {
			for i := range 3 {
				report, err := r.Apply(ctx, now, Change{Source: "api", Text: text(fmt.Sprintf("n%d-%d", node, i), "99%") + "---\n" + text("shared", fmt.Sprintf("9%d%%", node))})
				if err != nil || report.Refused {
					t.Errorf("%+v, %v", report, err)
				}
			}
		})
	}
	wg.Wait()
	r := open(t, db, "")
	if slos, revision := r.Current(); len(slos) != 10 || revision < 9 {
		t.Errorf("%d SLOs at revision %d", len(slos), revision)
	}
}

// write makes files of names and texts in turn; an empty text removes one.
func write(t *testing.T, dir string, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if files[i+1] == "" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFiles(t *testing.T) {
	db, dir := chtest.New(t), t.TempDir()
	write(t, dir, "a.yaml", text("a", "99.9%"), "team/b.yml", text("b", "99%")+"---\n"+text("c", "98%"), "README.md", "no definition", ".hidden.yaml", "no: definition")
	r := open(t, db, dir)
	inForce(t, r, "a 99.9% file:a.yaml", "b 99% file:team/b.yml", "c 98% file:team/b.yml")
	_, first := r.Current()
	load(t, r)
	if _, again := r.Current(); again != first || first != 1 {
		t.Errorf("revision %d, then %d", first, again)
	}

	// An edit on a page stands while the file is as it was, also after a restart, and until the file changes.
	apply(t, r, Change{Text: text("a", "99.5%"), Source: "ui"})
	apply(t, r, Change{Text: text("b", "97%"), Source: "ui"})
	load(t, r)
	inForce(t, r, "a 99.5% ui", "b 97% ui", "c 98% file:team/b.yml")
	r = open(t, db, dir)
	inForce(t, r, "a 99.5% ui", "b 97% ui", "c 98% file:team/b.yml")
	write(t, dir, "a.yaml", text("a", "95%"))
	load(t, r)
	inForce(t, r, "a 95% file:a.yaml", "b 97% ui", "c 98% file:team/b.yml")

	// A file that disappears takes along what nobody has edited since; one that moves takes nothing.
	write(t, dir, "a.yaml", "", "moved.yaml", text("a", "95%"), "team/b.yml", "")
	load(t, r)
	inForce(t, r, "a 95% file:a.yaml", "b 97% ui")

	// It is the same if that happens while no node runs, and it can come back.
	write(t, dir, "moved.yaml", "", "d.yaml", text("d", "91%"))
	r = open(t, db, dir)
	inForce(t, r, "b 97% ui", "d 91% file:d.yaml")
	write(t, dir, "a.yaml", text("a", "95%"))
	r = open(t, db, dir)
	inForce(t, r, "a 95% file:a.yaml", "b 97% ui", "d 91% file:d.yaml")

	// What was deleted by hand stays deleted.
	if _, err := r.Delete(ctx, now, Deletion{Name: "d", Source: "api"}); err != nil {
		t.Fatal(err)
	}
	load(t, r)
	inForce(t, open(t, db, dir), "a 95% file:a.yaml", "b 97% ui")
	inForce(t, open(t, db, ""), "a 95% file:a.yaml", "b 97% ui")
	inForce(t, open(t, db, filepath.Join(dir, "a.yaml")), "a 95% file:a.yaml", "b 97% ui")
}

// Files that are wrong change nothing, and say where.
func TestFilesRefused(t *testing.T) {
	db, dir := chtest.New(t), t.TempDir()
	write(t, dir, "a.yaml", text("a", "99.9%"))
	r := open(t, db, dir)
	f := func(name, place, message string) {
		t.Helper()
		load(t, r)
		inForce(t, r, "a 99.9% file:a.yaml")
		problems := r.Problems()
		if !strings.Contains(fmt.Sprint(problems), message) || !strings.HasSuffix(problems[0].File, place) {
			t.Errorf("%s: %v", name, problems)
		}
		load(t, r)
		if d := cmp.Diff(problems, r.Problems()); d != "" {
			t.Errorf("%s: other problems when nothing has changed: %s", name, d)
		}
	}
	write(t, dir, "a.yaml", text("a", "99.99%"), "b.yaml", "slo: b\nservise: x\n")
	f("a mistake in another file", "b.yaml", "servise")
	write(t, dir, "b.yaml", text("a", "60%"))
	f("twice", "b.yaml", "twice")
	write(t, dir, "b.yaml", composite("b", "a and c"))
	f("a reference to nothing", "b.yaml", `"c"`)

	// The reference comes about elsewhere.
	apply(t, r, Change{Text: text("c", "99.95%")})
	load(t, r)
	inForce(t, r, "a 99.99% file:a.yaml", "b 99% file:b.yaml", "c 99.95% api")
	if problems := r.Problems(); len(problems) > 0 {
		t.Errorf("problems %v", problems)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	load(t, r)
	inForce(t, r, "a 99.99% file:a.yaml", "b 99% file:b.yaml", "c 99.95% api")
	if problems := r.Problems(); len(problems) != 1 || !strings.Contains(problems[0].Error(), "no such file") {
		t.Errorf("problems %v", problems)
	}
}

func TestFileLimits(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.yaml", strings.Repeat("# long\n", maxFile/7+1))
	if _, _, err := readFiles(dir); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("error %v", err)
	}
	// Mounted configuration is links into a hidden directory.
	dir = t.TempDir()
	write(t, dir, "..2026/a.yaml", text("a", "99%"))
	for link, to := range map[string]string{"..data": "..2026", "a.yaml": "..data/a.yaml", "loop": "."} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	files, _, err := readFiles(dir)
	if err != nil || len(files) != 1 || string(files[0].text) != text("a", "99%") {
		t.Errorf("%d files, %v", len(files), err)
	}
}

// What is no file is not waited for, also behind a link.
func TestSpecialFiles(t *testing.T) {
	f := func(name string, create func(path string) error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "a.yaml")
		if err := create(path); err != nil {
			t.Fatal(err)
		}
		failed := make(chan error, 1)
		go func() {
			_, _, err := readFiles(filepath.Dir(path))
			failed <- err
		}()
		select {
		case err := <-failed:
			if err == nil || !strings.Contains(err.Error(), "no regular file") {
				t.Errorf("%s: error %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: it is read", name)
		}
	}
	pipe := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	f("a pipe", pipe)
	f("a link to a pipe", func(path string) error {
		return errors.Join(pipe(path+".pipe"), os.Symlink(path+".pipe", path))
	})
	f("a device", func(path string) error { return os.Symlink("/dev/zero", path) })
}

// A definition that this program cannot read is a problem, and the others stay in force.
func TestUnreadable(t *testing.T) {
	db := chtest.New(t)
	st := store.New(db)
	objects := []store.Object{
		{Kind: "SLO", Name: "future", At: now, Source: "api", Text: "slo: future\nquantum: yes\n"},
		{Kind: "SLO", Name: "a", At: now, Source: "api", Text: text("a", "99%")},
	}
	if _, err := st.Append(ctx, 0, objects); err != nil {
		t.Fatal(err)
	}
	r := open(t, db, "")
	inForce(t, r, "a 99% api")
	if problems := r.Problems(); len(problems) == 0 || !spec.Failed(problems) {
		t.Errorf("problems %v", problems)
	}
	if report := apply(t, r, Change{Text: text("b", "99%")}); report.Refused {
		t.Errorf("%+v", report)
	}
	if report := apply(t, r, Change{Text: text("future", "99%")}); report.Refused {
		t.Errorf("%+v", report)
	}
	inForce(t, r, "a 99% api", "b 99% api", "future 99% api")
	if problems := r.Problems(); len(problems) > 0 {
		t.Errorf("problems %v", problems)
	}
}

// A running registry sees what other nodes do, says what fails, and goes on when it works again.
func TestRun(t *testing.T) {
	db := chtest.New(t)
	r := New(store.New(db), Config{Poll: time.Millisecond})
	running, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- r.Run(running) }()

	changed := r.Changed()
	apply(t, open(t, db, ""), Change{Text: text("a", "99%")})
	select {
	case <-changed:
	case <-running.Done():
		t.Fatal("the change of another node is not seen")
	}
	inForce(t, r, "a 99% api")

	until := func(what string, reached func() bool) {
		t.Helper()
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for !reached() {
			select {
			case <-ticker.C:
			case <-running.Done():
				t.Fatal(what)
			}
		}
	}
	for _, names := range []string{"slo_objects TO away", "away TO slo_objects"} {
		if err := db.Exec(ctx, "RENAME TABLE "+names); err != nil {
			t.Fatal(err)
		}
		broken := strings.HasSuffix(names, "away")
		until("no problem, or one for too long", func() bool { return broken == (len(r.Problems()) > 0) })
		inForce(t, r, "a 99% api")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
