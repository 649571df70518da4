// Package internal_test keeps the architecture: which package may import which, how large a file and a package may
// grow, and a few habits that a compiler does not check. Changing a table in this file is a decision about the
// architecture and needs a paragraph in ARCHITECTURE.md.
package internal_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "loadline"

// layers says which top-level folders the code of a top-level folder may import, besides itself.
var layers = map[string][]string{
	"cmd":      {"web", "alerting", "slo", "query", "ingest", "internal"},
	"web":      {"alerting", "slo", "query", "internal"},
	"alerting": {"slo", "query", "internal"},
	"slo":      {"query", "internal"},
	"query":    {"internal"},
	"ingest":   {"internal"},
	"internal": {},
}

// owners says which folders may import a module. A module that is not listed may be used anywhere.
var owners = map[string][]string{
	"github.com/ebitengine/purego":          {"internal/chdb"},
	"github.com/ClickHouse/clickhouse-go":   {"internal/clickhouse", "internal/schema", "ingest", "query", "slo", "alerting"},
	"github.com/ClickHouse/ch-go":           {"internal/chdb", "internal/clickhouse"},
	"github.com/a-h/templ":                  {"web"},
	"github.com/gorilla/websocket":          {"web"},
	"github.com/prometheus/prometheus":      {"query/promql", "alerting", "web/promapi", "web/explorer", "cmd/loadline/server"},
	"github.com/spf13/cobra":                {"cmd"},
	"github.com/spf13/pflag":                {"cmd"},
	"go.opentelemetry.io/collector":         {"ingest/otlp"},
	"go.opentelemetry.io/collector/pdata":   {"ingest"},
	"go.opentelemetry.io/otel":              {"ingest/demo", "cmd"},
	"github.com/chromedp/chromedp":          {},
	"github.com/google/go-cmp":              {"query/querytest"},
	"github.com/PuerkitoBio/goquery":        {},
	"loadline/internal/chdb":                {"internal/chdb", "internal/clickhouse", "cmd"},
	"loadline/internal/clickhouse/chtest":   {"query/querytest"},
	"loadline/query/querytest":              {},
	"testing":                               {"internal/clickhouse/chtest", "query/querytest"},
	"go.opentelemetry.io/collector/config":  {"ingest/otlp"},
	"google.golang.org/grpc":                {"ingest", "cmd"},
	"google.golang.org/protobuf":            {"ingest", "cmd", "query/promql/compliance"},
	"go.opentelemetry.io/proto/otlp":        {"ingest", "cmd"},
	"github.com/VictoriaMetrics/easyproto":  {"ingest", "cmd"},
	"go.opentelemetry.io/contrib":           {},
	"github.com/stretchr/testify":           {},
	"database/sql":                          {},
	"go.opentelemetry.io/collector/service": {},
}

// Ceilings. They are there to make one think about a split before a file or a package becomes the place for everything.
const (
	maxFileLines          = 500
	maxPackageLines       = 1300
	maxFunctionLines      = 80
	maxExportedInterfaces = 8
)

// file is one parsed Go file of the repository.
type file struct {
	path      string // relative to the root, with slashes
	dir       string
	ast       *ast.File
	text      []byte
	isTest    bool
	generated bool
}

// repository parses every Go file below the repository's root.
func repository(t *testing.T) (string, *token.FileSet, []file) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []file
	walk(t, root, func(path string, text []byte) {
		if !strings.HasSuffix(path, ".go") {
			return
		}
		parsed, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{
			path:      path,
			dir:       filepath.ToSlash(filepath.Dir(path)),
			ast:       parsed,
			text:      text,
			isTest:    strings.HasSuffix(path, "_test.go"),
			generated: ast.IsGenerated(parsed),
		})
	})
	if len(files) < 10 {
		t.Fatalf("found only %d Go files below %q", len(files), root)
	}
	return root, fset, files
}

// walk calls fn for every file of the repository, leaving out what git ignores and what is not text.
func walk(t *testing.T, root string, fn func(path string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", ".cache", "node_modules", "loadline-data"}, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > 4<<20 {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.IndexByte(text, 0) >= 0 {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		fn(filepath.ToSlash(rel), text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportsPointOneWay(t *testing.T) {
	_, _, files := repository(t)
	for _, f := range files {
		top, _, _ := strings.Cut(f.path, "/")
		allowed, known := layers[top]
		if !known {
			t.Errorf("%s: Go code belongs into one of the folders that the layers table lists", f.path)
			continue
		}
		for _, spec := range f.ast.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if rest, ours := strings.CutPrefix(path, module+"/"); ours {
				target, _, _ := strings.Cut(rest, "/")
				// Tests may look at both sides of the schema: a test of a query writes with ingest.
				if target != top && !f.isTest && !slices.Contains(allowed, target) {
					t.Errorf("%s imports %s: %s may import only %v", f.path, path, top, allowed)
				}
			}
			if f.isTest {
				continue
			}
			if owner, ok := ownerOf(path); ok && !slices.ContainsFunc(owners[owner], func(dir string) bool { return within(f.dir, dir) }) {
				t.Errorf("%s imports %s: only %v may import %s", f.path, path, owners[owner], owner)
			}
		}
	}
}

// ownerOf returns the longest key of owners that contains an import path.
func ownerOf(path string) (string, bool) {
	var best string
	for owner := range owners {
		if within(path, owner) && len(owner) > len(best) {
			best = owner
		}
	}
	return best, best != ""
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == '/')
}

func TestTopLevelFolders(t *testing.T) {
	root, _, _ := repository(t)
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"cmd", "ingest", "query", "slo", "alerting", "web", "deploy", "internal"}
	for _, e := range entries {
		// Names with a dot in front are tools' own, and what git ignores is not part of the layout.
		if e.IsDir() && e.Name()[0] != '.' && e.Name() != "loadline-data" && !slices.Contains(allowed, e.Name()) {
			t.Errorf("folder %q: the top-level folders are %v", e.Name(), allowed)
		}
	}
}

func TestSizes(t *testing.T) {
	_, fset, files := repository(t)
	packages := map[string]int{}
	for _, f := range files {
		if f.isTest || f.generated {
			continue
		}
		lines := bytes.Count(f.text, []byte("\n"))
		packages[f.dir] += lines
		if lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", f.path, lines, maxFileLines)
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1; n > maxFunctionLines {
				t.Errorf("%s: function %s has %d lines, more than %d", f.path, fn.Name, n, maxFunctionLines)
			}
		}
	}
	for dir, lines := range packages {
		if lines > maxPackageLines {
			t.Errorf("package %s has %d lines, more than %d", dir, lines, maxPackageLines)
		}
	}
}

func TestInterfacesAreFew(t *testing.T) {
	_, _, files := repository(t)
	var found []string
	for _, f := range files {
		if f.isTest || f.generated {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				if _, ok := spec.Type.(*ast.InterfaceType); ok {
					found = append(found, f.dir+"."+spec.Name.Name)
				}
			}
			return true
		})
	}
	if len(found) > maxExportedInterfaces {
		t.Errorf("%d exported interfaces, more than %d: %v", len(found), maxExportedInterfaces, found)
	}
}

func TestHabits(t *testing.T) {
	_, fset, files := repository(t)
	for _, f := range files {
		if f.generated {
			continue
		}
		// In a synctest bubble time is the test's own and sleeping costs nothing.
		bubble := slices.ContainsFunc(f.ast.Imports, func(s *ast.ImportSpec) bool { return s.Path.Value == `"testing/synctest"` })
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			if fn.Name.Name == "init" && fn.Recv == nil {
				t.Errorf("%s: init functions make start-up order a secret; wire in cmd", fset.Position(fn.Pos()))
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || !f.isTest {
					return true
				}
				switch name := selector(call); {
				case name == "time.Sleep" && !bubble:
					t.Errorf("%s: wait for an event or use testing/synctest, do not sleep", fset.Position(call.Pos()))
				case skips[name] && !strings.HasPrefix(fn.Name.Name, "Fuzz") && !strings.HasPrefix(f.path, mounts):
					t.Errorf("%s: a test that cannot run has to fail", fset.Position(call.Pos()))
				}
				return true
			})
		}
	}
}

// skips are the calls that give up a test. A fuzz target may use them for inputs that say nothing.
var skips = map[string]bool{
	"t.Skip": true, "t.Skipf": true, "t.SkipNow": true, "tb.Skip": true, "tb.Skipf": true, "b.Skip": true, "b.Skipf": true,
}

// mounts are the tests on a small file system, which only root can mount; others simulate a full disk.
const mounts = "ingest/wal/mount_"

// selector returns "x.y" for a call of the form x.y(…), else "".
func selector(call *ast.CallExpr) string {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if x, ok := sel.X.(*ast.Ident); ok {
		return x.Name + "." + sel.Sel.Name
	}
	return ""
}

// machinePath matches a file in a temporary or home directory: tests get theirs from t.TempDir.
var machinePath = regexp.MustCompile(`(?m)(?:^|["'=\x60 ])/(?:tm` + `p|root|home)/[a-z]`)

// TestForbiddenWords looks for names that tie the repository to one network or machine, and for promises of work that
// belong into the issue list. The words are put together here so that this file passes its own test.
func TestForbiddenWords(t *testing.T) {
	root, _, _ := repository(t)
	words := []string{
		strings.Join([]string{"npmjs", "org"}, "."),
		strings.Join([]string{"npmjs", "com"}, "."),
		strings.Join([]string{"yarnpkg", "com"}, "."),
		strings.Join([]string{"proxy", "golang", "org"}, "."),
		strings.Join([]string{"sum", "golang", "org"}, "."),
		strings.Join([]string{"deb", "debian", "org"}, "."),
		strings.Join([]string{"pypi", "org"}, "."),
		"/" + "work/main",
		"/" + "work/shared",
		"TO" + "DO",
		"FIX" + "ME",
	}
	walk(t, root, func(path string, text []byte) {
		// Vendored browser code and lists of checksums are other people's text.
		if strings.HasSuffix(path, ".sum") || strings.Contains(path, "/vendor/") || strings.HasSuffix(path, ".min.js") {
			return
		}
		for _, word := range words {
			if i := bytes.Index(text, []byte(word)); i >= 0 {
				t.Errorf("%s:%d: %q does not belong into the repository", path, 1+bytes.Count(text[:i], []byte("\n")), word)
			}
		}
		if at := machinePath.FindIndex(text); at != nil {
			t.Errorf("%s:%d: a path of one machine", path, 1+bytes.Count(text[:at[1]], []byte("\n")))
		}
	})
}
