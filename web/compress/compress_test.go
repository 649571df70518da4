package compress

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func TestHandler(t *testing.T) {
	text := strings.Repeat("a page of text ", 1000)
	serve := func(accept, kind, encoding string, code int) *http.Response {
		t.Helper()
		h := Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			if encoding != "" {
				w.Header().Set("Content-Encoding", encoding)
			}
			if code != http.StatusOK {
				w.WriteHeader(code)
			}
			if _, err := io.WriteString(w, text); err != nil {
				t.Error(err)
			}
		}))
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	f := func(accept, kind, before, want string, code int) {
		t.Helper()
		res := serve(accept, kind, before, code)
		defer res.Body.Close()
		if got := res.Header.Get("Content-Encoding"); got != want || res.StatusCode != code {
			t.Errorf("%s for %s: %q, status %d", kind, accept, got, res.StatusCode)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if before == "" && unpack(t, want, body) != text {
			t.Errorf("%s for %s: another text", kind, accept)
		}
	}
	const page = "text/html; charset=utf-8"
	f("gzip, br, zstd", page, "", "zstd", 200)
	f("gzip", page, "", "gzip", 200)
	f("gzip", page, "", "gzip", 404)
	f("br", page, "", "", 200)
	f("", page, "", "", 200)
	f("zstd", "application/json; charset=utf-8", "", "zstd", 200)
	f("zstd", "font/woff2", "", "", 200)
	f("zstd", "text/css", "br", "br", 200)
}

func unpack(t *testing.T, encoding string, body []byte) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(body)
	switch encoding {
	case "zstd":
		d, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		r = d
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func BenchmarkHandler(b *testing.B) {
	page := []byte(strings.Repeat("<tr><td class=\"num\">12.3 ms</td><td>checkout-api</td></tr>", 1000))
	h := Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(page)
	}))
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set("Accept-Encoding", "zstd")
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
