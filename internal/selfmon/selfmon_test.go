package selfmon

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBuildFill(t *testing.T) {
	f := func(b Build, info debug.BuildInfo, want Build) {
		t.Helper()
		b.fill(&info)
		if diff := cmp.Diff(want, b); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}

	// What make stamped wins.
	f(Build{Version: "v1.2.3", Commit: "def"}, debug.BuildInfo{Settings: vcs}, Build{Version: "v1.2.3", Commit: "def"})
	// go install MODULE@VERSION.
	f(Build{}, debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, Build{Version: "v1.2.3"})
	// go build in a changed work tree.
	f(Build{}, debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: vcs}, Build{Commit: "abc-dirty"})
}

func TestBuildString(t *testing.T) {
	b := Build{Version: "v1.2.3", Commit: "0123456789abcdef", GoVersion: "go1.26", Platform: "linux/amd64"}
	if got, want := b.String(), "loadline v1.2.3 (commit 0123456789ab, go1.26, linux/amd64)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHealthReady(t *testing.T) {
	f := func(set []Component, want bool) {
		t.Helper()
		var h Health
		for _, c := range set {
			h.Set(c.Name, c.Status, c.Message)
		}
		if got, _ := h.Ready(); got != want {
			t.Errorf("ready %v after %v, want %v", got, set, want)
		}
	}
	f(nil, false)
	f([]Component{{Name: "storage", Status: OK}}, true)
	f([]Component{{Name: "storage", Status: OK}, {Name: "ingest", Status: Down}}, false)
	f([]Component{{Name: "storage", Status: Degraded}}, true)
	f([]Component{{Name: "storage", Status: Down}, {Name: "storage", Status: OK}}, true)
}

func TestHealthSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Health
		start := time.Now()
		h.Set("storage", Down, "starting")
		time.Sleep(time.Second)
		h.Set("storage", Down, "still starting")
		time.Sleep(time.Second)
		if got := h.Components()[0]; !got.Since.Equal(start) || got.Message != "still starting" {
			t.Errorf("a new message changed the start of the state: %+v", got)
		}
		h.Set("storage", OK, "")
		if got := h.Components()[0]; !got.Since.Equal(start.Add(2 * time.Second)) {
			t.Errorf("since = %s after 2 s", got.Since.Sub(start))
		}
	})
}

func TestHandler(t *testing.T) {
	var h Health
	srv := httptest.NewServer(Handler(&h))
	defer srv.Close()
	get := func(method, path, accept string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	f := func(method, path, accept string, wantCode int, wantBody string) {
		t.Helper()
		if code, body := get(method, path, accept); code != wantCode || !strings.Contains(body, wantBody) {
			t.Errorf("%s %s: %d %q, want %d and %q", method, path, code, body, wantCode, wantBody)
		}
	}
	f("GET", "/-/healthy", "", 200, "Loadline is healthy.")
	f("HEAD", "/-/healthy", "", 200, "")
	f("POST", "/-/healthy", "", 405, "")
	f("GET", "/-/ready", "", 503, "Loadline is not ready.")
	h.Set("storage", OK, "26.7")
	f("GET", "/-/ready", "", 200, "storage: ok (26.7)")
	h.Set("ingest", Down, "log is full")
	f("GET", "/-/ready", "", 503, "ingest: down (log is full)")
	f("GET", "/-/ready", "application/json", 503, `"ready":false`)
	f("GET", "/version", "", 200, `"go_version":"go`)
	f("GET", "/metrics", "", 200, "loadline_build_info{version=")
	f("GET", "/metrics", "", 200, "process_resident_memory_bytes")
}
