package static

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestVendored keeps the files of others as they were released.
func TestVendored(t *testing.T) {
	for name, want := range map[string]string{
		"uplot-1.6.32.min.js":  "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
		"uplot-1.6.32.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
		"geist.sub.woff2":      "48ca64e39d2abc254bfefd1dec1351c7c345fe5c09f7bfdc7881cbde1fc10c3f",
		"geist-mono.sub.woff2": "08488ac3edaf9d5e7a0922c01116a29a18f70cde4d6b4d3bda850a5b3b7a7d2c",
	} {
		content, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s: sha256 %x, want %s", name, sum, want)
		}
	}
	notices, err := files.ReadFile("THIRD_PARTY_NOTICES")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"uPlot 1.6.32", "Geist", "Lucide", "MIT License", "SIL OPEN FONT LICENSE", "ISC License"} {
		if !strings.Contains(string(notices), name) {
			t.Errorf("THIRD_PARTY_NOTICES does not name %s", name)
		}
	}
}

func newAssets(t *testing.T) *Assets {
	t.Helper()
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func get(t *testing.T, a *Assets, url, accept string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, url, http.NoBody)
	r.Header.Set("Accept-Encoding", accept)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w.Result()
}

func TestServe(t *testing.T) {
	a := newAssets(t)
	url := a.URL("app.css")
	if !regexp.MustCompile(`^/a/app\.[0-9a-f]{10}\.css$`).MatchString(url) {
		t.Errorf("address %q has no hash", url)
	}
	plain := get(t, a, url, "")
	defer plain.Body.Close()
	var want bytes.Buffer
	if _, err := want.ReadFrom(plain.Body); err != nil {
		t.Fatal(err)
	}
	for header, value := range map[string]string{"Content-Type": "text/css; charset=utf-8", "Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"} {
		if got := plain.Header.Get(header); got != value {
			t.Errorf("%s: %q, want %q", header, got, value)
		}
	}
	packed := get(t, a, url, "gzip, br, zstd")
	defer packed.Body.Close()
	if packed.Header.Get("Content-Encoding") != "zstd" {
		t.Fatalf("encoding %q", packed.Header.Get("Content-Encoding"))
	}
	d, err := zstd.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var got bytes.Buffer
	if _, err := got.ReadFrom(d); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Error("the compressed style sheet is another one")
	}
	missing := get(t, a, "/a/app.0000000000.css", "")
	defer missing.Body.Close()
	if missing.StatusCode != http.StatusNotFound {
		t.Errorf("an old address answers %d", missing.StatusCode)
	}
}

func TestStyleSheetNamesHashedFonts(t *testing.T) {
	a := newAssets(t)
	sheet := string(a.byURL[a.URL("app.css")].raw)
	for _, font := range []string{"geist.sub.woff2", "geist-mono.sub.woff2"} {
		if strings.Contains(sheet, `"`+font+`"`) || !strings.Contains(sheet, a.URL(font)[len(Prefix):]) {
			t.Errorf("the style sheet does not name %s by its hashed address", font)
		}
	}
	if !strings.Contains(sheet, "@layer lib{.uplot") {
		t.Error("the chart library's rules are not in the style sheet")
	}
}

// TestBudget keeps what a browser has to load small.
func TestBudget(t *testing.T) {
	a := newAssets(t)
	size := func(names ...string) (n int) {
		for _, name := range names {
			f := a.byURL[a.URL(name)]
			f.once.Do(f.compress)
			n += len(f.zstd)
		}
		return n
	}
	f := func(what string, got, limit int) {
		t.Helper()
		t.Logf("%s: %d of %d bytes", what, got, limit)
		if got > limit {
			t.Errorf("%s: %d bytes compressed, more than %d", what, got, limit)
		}
	}
	f("own scripts", size("app.js", "charts.js"), 12<<10)
	f("script of the trace page", size("trace.js"), 4<<10)
	f("script of the pages of objectives", size("slo.js"), 3<<10)
	f("chart library", size("uplot-1.6.32.min.js"), 25<<10)
	f("style sheet", size("app.css"), 12<<10)
}

func TestUnknownAssetIsABug(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	newAssets(t).URL("nothing.js")
}
