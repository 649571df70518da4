// Package static holds what browsers load besides pages: the style sheet, the scripts, the fonts and the chart library,
// all embedded. An asset's address contains a hash of its content, so browsers may keep it for ever.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

//go:embed *.css *.js *.json *.svg *.woff2 THIRD_PARTY_NOTICES
var files embed.FS

// Prefix is the path below which [Assets] serves.
const Prefix = "/a/"

// contentTypes are fixed here because the system's table of types differs between machines.
var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".woff2": "font/woff2",
	".json":  "application/speculationrules+json",
	"":       "text/plain; charset=utf-8",
}

// An asset is one file in the encodings that it was asked for.
type asset struct {
	contentType string
	raw         []byte
	once        sync.Once
	zstd, gzip  []byte
}

// Assets serves the embedded files. It may be used concurrently.
type Assets struct {
	byURL map[string]*asset
	urls  map[string]string
}

// New reads the embedded files and hashes them. Addresses inside of the style sheet are replaced by the hashed ones.
func New() (*Assets, error) {
	a := &Assets{byURL: map[string]*asset{}, urls: map[string]string{}}
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("list assets: %w", err)
	}
	var sheet, library []byte
	for _, e := range entries {
		content, err := files.ReadFile(e.Name())
		if err != nil {
			return nil, fmt.Errorf("read asset: %w", err)
		}
		switch {
		case e.Name() == "app.css":
			sheet = content
		case path.Ext(e.Name()) == ".css":
			library = content
		case path.Ext(e.Name()) == ".js" && !strings.HasSuffix(e.Name(), ".min.js"):
			a.add(e.Name(), bare(content))
		default:
			a.add(e.Name(), content)
		}
	}
	a.add("app.css", a.bundle(sheet, library))
	return a, nil
}

// bundle puts the chart library's rules into their layer of the style sheet and hashes the addresses of the fonts.
func (a *Assets) bundle(sheet, library []byte) []byte {
	out := bytes.Replace(sheet, []byte("@layer lib{}"), append(append([]byte("@layer lib{"), library...), '}'), 1)
	for name, url := range a.urls {
		if path.Ext(name) == ".woff2" {
			out = bytes.ReplaceAll(out, []byte(`"`+name+`"`), []byte(`"`+path.Base(url)+`"`))
		}
	}
	return out
}

// comments are those that our scripts have: types in front of what they describe, and whole lines.
var comments = regexp.MustCompile(`/\*\*[^*\n]*\*/ ?|(?m:^[ \t]*//.*\n)|(?m:^[ \t]+)`)

// bare takes the comments and indentation off a script. They are a quarter of what would be sent.
func bare(script []byte) []byte { return comments.ReplaceAll(script, nil) }

func (a *Assets) add(name string, content []byte) {
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	url := Prefix + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:5]) + ext
	a.byURL[url] = &asset{contentType: contentTypes[ext], raw: content}
	a.urls[name] = url
}

// URL returns the hashed address of a file. An unknown name is a mistake of the program.
func (a *Assets) URL(name string) string {
	url, ok := a.urls[name]
	if !ok {
		panic(fmt.Sprintf("BUG: no asset %q", name))
	}
	return url
}

// ServeHTTP answers requests below [Prefix].
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.byURL[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	body := f.raw
	if !strings.HasPrefix(f.contentType, "font/") {
		f.once.Do(f.compress)
		h.Set("Vary", "Accept-Encoding")
		accept := r.Header.Get("Accept-Encoding")
		switch {
		case strings.Contains(accept, "zstd"):
			h.Set("Content-Encoding", "zstd")
			body = f.zstd
		case strings.Contains(accept, "gzip"):
			h.Set("Content-Encoding", "gzip")
			body = f.gzip
		}
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the browser went away: nobody is left to tell
	}
}

// compress runs once for each file, when it is first asked for.
func (f *asset) compress() {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(fmt.Sprintf("BUG: zstd options: %v", err))
	}
	f.zstd = encoder.EncodeAll(f.raw, nil)
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(fmt.Sprintf("BUG: gzip level: %v", err))
	}
	_, _ = z.Write(f.raw) // a bytes.Buffer takes everything
	_ = z.Close()
	f.gzip = b.Bytes()
}
