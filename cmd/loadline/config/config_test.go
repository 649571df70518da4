package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"loadline/internal/spelling"
)

// load runs Load the way a command does.
func load(t *testing.T, file string, environ, args []string) (Config, error) {
	t.Helper()
	if file != "" {
		path := filepath.Join(t.TempDir(), "loadline.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"--config", path}, args...)
	}
	set := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	flags := AddFlags(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(flags, nil, environ)
}

func TestDefaultsAreValid(t *testing.T) {
	got, err := load(t, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Errorf("-default +loaded:\n%s", diff)
	}
}

func TestDefaultsReadBack(t *testing.T) {
	c := Default()
	for _, s := range c.settings() {
		text := s.value.String()
		if text == "" {
			continue
		}
		if err := s.value.Set(text); err != nil {
			t.Errorf("%s: the default %q cannot be set: %v", s.key, text, err)
		}
	}
	if diff := cmp.Diff(Default(), c); diff != "" {
		t.Errorf("setting every default changed it:\n%s", diff)
	}
}

func TestPrecedence(t *testing.T) {
	const file = "http: {addr: 127.0.0.1:1111}"
	environ := []string{"LOADLINE_HTTP_ADDR=127.0.0.1:2222"}
	f := func(file string, environ, args []string, want string) {
		t.Helper()
		c, err := load(t, file, environ, args)
		if err != nil {
			t.Error(err)
		}
		if c.HTTP.Addr != want {
			t.Errorf("http.addr = %q, want %q", c.HTTP.Addr, want)
		}
	}
	f("", nil, nil, "127.0.0.1:8080")
	f(file, nil, nil, "127.0.0.1:1111")
	f(file, environ, nil, "127.0.0.1:2222")
	f(file, environ, []string{"--http.addr=127.0.0.1:3333"}, "127.0.0.1:3333")
	// A flag that repeats the default still beats the file.
	f(file, nil, []string{"--http.addr=127.0.0.1:8080"}, "127.0.0.1:8080")
	// An empty variable is one that is not set.
	f(file, []string{"LOADLINE_HTTP_ADDR="}, nil, "127.0.0.1:1111")
}

func TestFile(t *testing.T) {
	c, err := load(t, `
# every kind of value
http:
  addr: 127.0.0.1:9090
  external_url: "https://loadline.example.com/"
otlp: {grpc: {addr: "[::1]:4317"}}
storage:
  dsn: clickhouse://default:${env:PASSWORD}@db:9000/${DB:-loadline}
  max_memory: 1.5GiB
  threads: 2
retention: {traces: 1w, logs: 36h, traces_size: 100GB}
wal:
  # max_size: 1GiB
log: {level: WARN}
`, []string{"PASSWORD=p$$w{d"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.File = c.File
	want.HTTP.Addr = "127.0.0.1:9090"
	want.HTTP.ExternalURL = "https://loadline.example.com"
	want.OTLP.GRPCAddr = "[::1]:4317"
	want.Storage.DSN = "clickhouse://default:p$$w{d@db:9000/loadline"
	want.Storage.MaxMemory = 3 << 29
	want.Storage.Threads = 2
	want.Retention.Traces = 7 * day
	want.Retention.Logs = 36 * time.Hour
	want.Retention.TracesSize = 100e9
	want.Log.Level = "warn"
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Every error names the place, what stood there and what to write instead.
func TestErrors(t *testing.T) {
	f := func(file string, environ, args []string, want string) {
		t.Helper()
		_, err := load(t, file, environ, args)
		if err == nil {
			t.Errorf("no error, want %q", want)
			return
		}
		// The directory of the file differs from run to run.
		got := err.Error()
		if i := strings.Index(got, "loadline.yaml"); i >= 0 {
			got = got[i:]
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f("otlp:\n  grcp: {addr: 127.0.0.1:1}\n", nil, nil, `loadline.yaml:2: unknown key "otlp.grcp"; did you mean "otlp.grpc"?`)
	f("htpp: {addr: 127.0.0.1:1}\n", nil, nil, `loadline.yaml:1: unknown key "htpp"; did you mean "http"?`)
	f("retention: {trace: 1d}\n", nil, nil, `loadline.yaml:1: unknown key "retention.trace"; did you mean "retention.traces"?`)
	f("\n\nelephants: 3\n", nil, nil, "loadline.yaml:3: unknown key \"elephants\"; `loadline config print --defaults` lists all")
	f("retention:\n  traces: 15 days\n", nil, nil, `loadline.yaml:2: retention.traces: cannot use "15 days": want a duration, such as 15d, 12h or 1m30s`)
	f("http: {addr: 8080}\n", nil, nil, `loadline.yaml:1: http.addr: cannot use "8080": want HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080`)
	f("http: {addr: [1, 2]}\n", nil, nil, `loadline.yaml:1: http.addr: want a single value, not a list`)
	f("http: 8080\n", nil, nil, `loadline.yaml:1: http: want keys below it, not the value "8080"`)
	f("http: {addr: {x: 1}}\n", nil, nil, "loadline.yaml:1: unknown key \"http.addr.x\"; did you mean \"http.addr\"?")
	f("- a\n", nil, nil, `loadline.yaml:1: want keys with values, such as 'http: {addr: 127.0.0.1:8080}', not a list`)
	f("hello\n", nil, nil, `loadline.yaml:1: want keys with values, such as 'http: {addr: 127.0.0.1:8080}', not "hello"`)
	f("log: {level: info}\nlog: {level: warn}\n", nil, nil, `loadline.yaml:2: key "log.level" stands on line 1 already`)
	f("log: {level: loud}\n", nil, nil, `loadline.yaml:1: log.level: cannot use "loud": want one of debug, info, warn, error`)
	f("log: &a {level: info}\nwal: *a\n", nil, nil, `loadline.yaml:2: wal: want the value itself, not an alias`)
	f("log: {level: info}\n---\nlog: {level: info}\n", nil, nil, `loadline.yaml: want one YAML document, not several`)
	f("log:\n  level: ${LEVEL}\n", nil, nil, `loadline.yaml:2: log.level: environment variable "LEVEL" is not set; set it, or give a default with ${LEVEL:-default}`)
	f("log: {level: '${LEVEL'}\n", nil, nil, `loadline.yaml:1: log.level: want a closing brace after ${; a dollar sign itself is written $$`)
	f("log: {}\nhttp: {addr: ${HOST}:1}\n", nil, nil, `loadline.yaml: near line 1: did not find expected ',' or '}'`)
	f("storage: {threads: -1}\n", nil, nil, `loadline.yaml:1: storage.threads: cannot use "-1": want a whole number that is not negative, such as 2`)
	f("", []string{"LOADLINE_STORAGE_MAX_MEMORY=lots"}, nil, `LOADLINE_STORAGE_MAX_MEMORY: cannot use "lots": want a size, such as 10GiB or 512MiB`)
	f("", nil, []string{"--log.level=loud"}, `--log.level: cannot use "loud": want one of debug, info, warn, error`)
	f("", nil, []string{"--http.addr=127.0.0.1:4317"}, `otlp.grpc.addr: "127.0.0.1:4317" is the address of http.addr already`)
	f("", nil, []string{"--http.addr=0.0.0.0:8080"}, `http.addr: "0.0.0.0:8080" can be reached from other machines, and Loadline asks nobody to log in`)
	f("", nil, []string{"--otlp.grpc.addr=:4317"}, `otlp.grpc.addr: ":4317" can be reached from other machines, and Loadline asks nobody to log in`)
	f("", nil, []string{"--debug.addr=0.0.0.0:6060", "--insecure-no-auth"}, `debug.addr: "0.0.0.0:6060" is not a loopback address; profiles show secrets in memory`)
	f("", nil, []string{"--otlp.tls.cert_file=c.pem"}, `otlp.tls: want both cert_file and key_file, or neither and no client_ca_file`)
	f("", nil, []string{"--otlp.tls.client_ca_file=c.pem"}, `otlp.tls: want both cert_file and key_file, or neither and no client_ca_file`)
	f("", nil, []string{"--wal.max_size=1MiB"}, `wal.max_size: 1MiB does not hold two segments; want at least 64MiB`)
	f("", nil, []string{"--query.timeout=0"}, "query: timeout, max_samples and max_concurrent must be above zero, or no query is answered")
}

// Certificates of senders make it fine to listen for them everywhere, but not to show pages everywhere.
func TestMutualTLS(t *testing.T) {
	mutual := []string{"--otlp.tls.cert_file=c", "--otlp.tls.key_file=k", "--otlp.tls.client_ca_file=ca"}
	if _, err := load(t, "", nil, append(mutual, "--otlp.grpc.addr=:4317", "--otlp.http.addr=:4318")); err != nil {
		t.Error(err)
	}
	if _, err := load(t, "", nil, append(mutual, "--http.addr=:8080")); err == nil {
		t.Error("pages are open to everybody")
	}
	if _, err := load(t, "", nil, append(mutual[:2], "--otlp.grpc.addr=:4317")); err == nil {
		t.Error("a receiver without client certificates is open to everybody")
	}
}

func TestInsecureNoAuth(t *testing.T) {
	f := func(addr string) {
		t.Helper()
		if _, err := load(t, "", nil, []string{"--http.addr", addr, "--insecure-no-auth"}); err != nil {
			t.Error(err)
		}
	}
	f("0.0.0.0:8080")
	f(":8080")
	f("loadline.example.com:8080")
}

func TestEnvironmentWarnings(t *testing.T) {
	c, err := load(t, "", []string{
		"LOADLINE_HTPP_ADDR=127.0.0.1:1",
		"LOADLINE_PORT_8080_TCP_PROTO=tcp", // what Kubernetes sets for a service called loadline
		"LOADLINE_LIBCHDB=libchdb.so",
		"OTHER=x",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"environment variable LOADLINE_HTPP_ADDR has no effect; did you mean LOADLINE_HTTP_ADDR?"}
	if diff := cmp.Diff(want, c.Warnings); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSettingsMaskSecrets(t *testing.T) {
	c := Default()
	c.Storage.DSN = "clickhouse://u:secret@db"
	for _, s := range c.Settings() {
		if strings.Contains(s.Value, "secret") {
			t.Errorf("%s shows %q", s.Key, s.Value)
		}
	}
}

func TestSubstitute(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("s3$$cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := map[string]string{"A": "1", "EMPTY": "", "DOLLAR": "${A}"}
	lookup := func(name string) (string, bool) { v, ok := environ[name]; return v, ok }
	f := func(in, want string) {
		t.Helper()
		got, err := substitute(in, lookup)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
	f("plain", "plain")
	f("", "")
	f("a${A}b${env:A}c", "a1b1c")
	f("${A:-2}", "1")
	f("${NONE:-2}", "2")
	f("${env:NONE:-a:-b}", "a:-b")
	f("${NONE:-}", "")
	f("${EMPTY}", "")
	f("${EMPTY:-2}", "2")
	f("$$A $${A} $", "$A ${A} $")
	f("$A", "$A")
	f("${DOLLAR}", "${A}")
	f("${file:"+secret+"}", "s3$$cret")
	f("${yaml:1}", "error: want ${NAME}, ${NAME:-default}, ${env:NAME} or ${file:PATH}, not ${yaml:1}")
	f("${}", "error: want ${NAME}, ${NAME:-default}, ${env:NAME} or ${file:PATH}, not ${}")
	if _, err := substitute("${file:"+dir+"/none}", lookup); err == nil {
		t.Error("no error for a file that does not exist")
	}
}

func TestParseDuration(t *testing.T) {
	f := func(in string, want time.Duration, printed string) {
		t.Helper()
		got, err := ParseDuration(in)
		if err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", in, got, err, want)
		}
		if s := FormatDuration(got); s != printed {
			t.Errorf("%q prints as %q, want %q", in, s, printed)
		}
	}
	f("0", 0, "0")
	f("15d", 15*day, "15d")
	f("2w", 14*day, "14d")
	f("1d12h", 36*time.Hour, "1d12h")
	f("12h", 12*time.Hour, "12h")
	f("90m", 90*time.Minute, "1h30m")
	f("1m30s", 90*time.Second, "1m30s")
	f("250ms", 250*time.Millisecond, "250ms")
	f("1.5h", 90*time.Minute, "1h30m")
	for _, bad := range []string{"", "d", "5", "-5d", "1x", "15 d", "1e3s", "1..5h", "99999999w"} {
		if d, err := ParseDuration(bad); err == nil {
			t.Errorf("%q: %s, want an error", bad, d)
		}
	}
}

func TestParseSize(t *testing.T) {
	f := func(in string, want int64, printed string) {
		t.Helper()
		got, err := ParseSize(in)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
		if s := FormatSize(got); s != printed {
			t.Errorf("%q prints as %q, want %q", in, s, printed)
		}
	}
	f("0", 0, "0")
	f("1000", 1000, "1000B")
	f("10GiB", 10<<30, "10GiB")
	f("10 gib", 10<<30, "10GiB")
	f("1.5GiB", 3<<29, "1536MiB")
	f("1GB", 1e9, "1000000000B")
	for _, bad := range []string{"", "GiB", "-1GiB", "10 potatoes", "1e9", "9999999999TiB"} {
		if n, err := ParseSize(bad); err == nil {
			t.Errorf("%q: %d, want an error", bad, n)
		}
	}
}

func TestNearest(t *testing.T) {
	candidates := []string{"http.addr", "otlp.grpc.addr", "storage.path"}
	f := func(word, want string) {
		t.Helper()
		if got := spelling.Nearest(word, candidates); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
	f("http.adr", "http.addr")
	f("otlp.gprc.addr", "otlp.grpc.addr")
	f("storage_path", "storage.path")
	f("elephants", "")
}

func FuzzParseFile(f *testing.F) {
	f.Add("http: {addr: 127.0.0.1:8080}\n")
	f.Add("a: &x [*x]\n")
	f.Add("? {a: b}\n: c\n")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := parseFile("fuzz.yaml", strings.NewReader(text))
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.key == "" || e.line == 0 {
				t.Errorf("entry without a place: %+v", e)
			}
		}
	})
}
