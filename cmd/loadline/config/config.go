// Package config reads Loadline's configuration: defaults, then one strict YAML file, then LOADLINE_ environment
// variables, then flags. Every setting has one dotted key that names it in all three places: http.addr in the file,
// LOADLINE_HTTP_ADDR in the environment, --http.addr on the command line.
package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"loadline/internal/spelling"
)

// Config is everything that can be set. Default returns the documented values; zero is not one of them.
type Config struct {
	HTTP      HTTP
	OTLP      OTLP
	Storage   Storage
	WAL       WAL
	Ingest    Ingest
	Query     Query
	SLO       SLO
	Retention Retention
	Log       Log
	DebugAddr string // pprof; empty means off

	InsecureNoAuth bool

	// File is the configuration file that was read, empty without one. Warnings are about settings that have no effect;
	// the caller logs them.
	File     string
	Warnings []string
}

// HTTP is the listener of the pages, the APIs and the management endpoints.
type HTTP struct {
	Addr        string
	ExternalURL string // how browsers reach it, when a proxy stands in front
}

// OTLP is where telemetry arrives.
type OTLP struct {
	GRPCAddr string
	HTTPAddr string
	MaxBody  int64 // bytes of one request after decompression
	TLS      TLS
	// AllowedOrigins are the web origins, separated by commas, whose pages may send telemetry.
	AllowedOrigins string
}

// TLS names the files that make both receivers speak TLS; all empty means that they do not.
type TLS struct {
	CertFile, KeyFile string
	ClientCAFile      string // senders need a certificate of this authority
}

// Storage says where data lives: in the embedded engine below Path or, with a DSN, on a ClickHouse server. The
// write-ahead log is below Path in both cases.
type Storage struct {
	Path      string
	DSN       string
	Libchdb   string
	MaxMemory int64 // bytes of the embedded engine
	Threads   int   // of the embedded engine
}

// WAL bounds the write-ahead log, which is also the spool for when ClickHouse is away.
type WAL struct {
	MaxSize int64
}

// Ingest says what is taken in.
type Ingest struct {
	MaxAge time.Duration // of telemetry; 0 takes any age
}

// Query bounds a PromQL query.
type Query struct {
	Timeout       time.Duration
	MaxSamples    int // in memory at a time
	MaxConcurrent int // the rest waits
	// Features are names of Prometheus's feature flags, separated by commas.
	Features string
}

// SLO is about service level objectives.
type SLO struct {
	Path string // a file or a directory of definitions; empty means that only the API and the pages define any
}

// Retention says how long and how much of each signal is kept. A zero age or size does not limit.
type Retention struct {
	Traces, TraceIndex, Rollups, Logs, Metrics     time.Duration // a zero TraceIndex is as long as Traces
	TracesSize, RollupsSize, LogsSize, MetricsSize int64
}

// Log is about Loadline's own log, on standard error.
type Log struct {
	Level  string
	Format string
}

// Default returns the configuration of a process that nobody configured.
func Default() Config {
	return Config{
		HTTP:    HTTP{Addr: "127.0.0.1:8080"},
		OTLP:    OTLP{GRPCAddr: "127.0.0.1:4317", HTTPAddr: "127.0.0.1:4318", MaxBody: 64 << 20},
		Storage: Storage{Path: "./loadline-data"},
		WAL:     WAL{MaxSize: 4 << 30},
		Ingest:  Ingest{MaxAge: 31 * day},
		Query:   Query{Timeout: 2 * time.Minute, MaxSamples: 50_000_000, MaxConcurrent: 20},
		Retention: Retention{
			Traces:  15 * day,
			Rollups: 400 * day,
			Logs:    7 * day,
			Metrics: 30 * day,
		},
		Log: Log{Level: "info", Format: "auto"},
	}
}

// setting is one key: what it is called, what it is for, and the field it fills.
type setting struct {
	key    string
	usage  string
	value  value
	secret bool // config print masks it
}

// settings lists every key once. The file, the environment, the flags, `config print` and the documentation of the
// flags all come from this list.
func (c *Config) settings() []setting {
	return []setting{
		{key: "http.addr", usage: "listen here for pages and APIs", value: addrValue{&c.HTTP.Addr}},
		{key: "http.external_url", usage: "how browsers reach Loadline behind a proxy", value: urlValue{&c.HTTP.ExternalURL}},
		{key: "otlp.grpc.addr", usage: "listen here for OTLP over gRPC", value: addrValue{&c.OTLP.GRPCAddr}},
		{key: "otlp.http.addr", usage: "listen here for OTLP over HTTP; may be the same address", value: addrValue{&c.OTLP.HTTPAddr}},
		{key: "otlp.max_body", usage: "largest OTLP request, after decompression", value: sizeValue{&c.OTLP.MaxBody}},
		{key: "otlp.tls.cert_file", usage: "certificate of both OTLP receivers; with it they speak TLS only", value: stringValue{&c.OTLP.TLS.CertFile}},
		{key: "otlp.tls.key_file", usage: "key of that certificate", value: stringValue{&c.OTLP.TLS.KeyFile}},
		{key: "otlp.tls.client_ca_file", usage: "senders need a certificate of this authority", value: stringValue{&c.OTLP.TLS.ClientCAFile}},
		{key: "otlp.allowed_origins", usage: "web origins whose pages may send telemetry, separated by commas", value: stringValue{&c.OTLP.AllowedOrigins}},
		{key: "storage.path", usage: "data directory; one process at a time", value: stringValue{&c.Storage.Path}},
		{key: "storage.dsn", usage: "use this ClickHouse server instead of the embedded engine", value: stringValue{&c.Storage.DSN}, secret: true},
		{key: "storage.libchdb", usage: "the embedded engine's library; empty searches the usual places", value: stringValue{&c.Storage.Libchdb}},
		{key: "storage.max_memory", usage: "memory of the embedded engine; 0 chooses by the machine", value: sizeValue{&c.Storage.MaxMemory}},
		{key: "storage.threads", usage: "threads of the embedded engine; 0 means one per CPU", value: intValue{&c.Storage.Threads}},
		{key: "wal.max_size", usage: "size of the write-ahead log while ClickHouse is slow or away; a full log refuses data", value: sizeValue{&c.WAL.MaxSize}},
		{key: "ingest.max_age", usage: "refuse telemetry older than this; 0 takes any age, for backfills", value: durationValue{&c.Ingest.MaxAge}},
		{key: "query.timeout", usage: "how long a PromQL query may take", value: durationValue{&c.Query.Timeout}},
		{key: "query.max_samples", usage: "samples that a PromQL query may hold in memory", value: intValue{&c.Query.MaxSamples}},
		{key: "query.max_concurrent", usage: "PromQL queries at a time; more wait", value: intValue{&c.Query.MaxConcurrent}},
		{key: "query.features", usage: "PromQL feature flags as in Prometheus, separated by commas: promql-delayed-name-removal, use-start-timestamps, type-and-unit-labels", value: stringValue{&c.Query.Features}},
		{key: "slo.path", usage: "file or directory with definitions of SLOs (.yaml, .yml); read again when they change", value: stringValue{&c.SLO.Path}},
		{key: "retention.traces", usage: "keep spans this long; 0 keeps them", value: durationValue{&c.Retention.Traces}},
		{key: "retention.trace_index", usage: "find spans by trace id this long; 0 is as long as spans are kept", value: durationValue{&c.Retention.TraceIndex}},
		{key: "retention.rollups", usage: "keep request, error and latency counts this long; 0 keeps them", value: durationValue{&c.Retention.Rollups}},
		{key: "retention.logs", usage: "keep logs this long; 0 keeps them", value: durationValue{&c.Retention.Logs}},
		{key: "retention.metrics", usage: "keep metric samples this long; 0 keeps them", value: durationValue{&c.Retention.Metrics}},
		{key: "retention.traces_size", usage: "drop the oldest spans above this size; 0 is no limit", value: sizeValue{&c.Retention.TracesSize}},
		{key: "retention.rollups_size", usage: "drop the oldest counts above this size; 0 is no limit", value: sizeValue{&c.Retention.RollupsSize}},
		{key: "retention.logs_size", usage: "drop the oldest logs above this size; 0 is no limit", value: sizeValue{&c.Retention.LogsSize}},
		{key: "retention.metrics_size", usage: "drop the oldest metric samples above this size; 0 is no limit", value: sizeValue{&c.Retention.MetricsSize}},
		{key: "log.level", usage: "least level that is logged", value: choiceValue{&c.Log.Level, []string{"debug", "info", "warn", "error"}}},
		{key: "log.format", usage: "auto is text on a terminal and JSON elsewhere", value: choiceValue{&c.Log.Format, []string{"auto", "text", "json"}}},
		{key: "debug.addr", usage: "serve pprof on this loopback address; empty is off", value: optionalAddrValue{addrValue{&c.DebugAddr}}},
		{key: "insecure-no-auth", usage: "listen beyond loopback although nobody has to log in", value: boolValue{&c.InsecureNoAuth}},
	}
}

// env returns the environment variable of a key.
func env(key string) string {
	return "LOADLINE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// isSection reports whether key is the beginning of other keys, as otlp and otlp.grpc are.
func isSection(key string) bool {
	var c Config
	return slices.ContainsFunc(c.settings(), func(s setting) bool { return strings.HasPrefix(s.key, key+".") })
}

// checkKey returns an error for a key that is neither a setting nor a section, with the nearest one that is.
func checkKey(key string) error {
	var c Config
	var known []string
	for _, s := range c.settings() {
		if s.key == key || strings.HasPrefix(s.key, key+".") {
			return nil
		}
		known = append(known, s.key)
		for i, r := range s.key {
			if r == '.' {
				known = append(known, s.key[:i])
			}
		}
	}
	if near := spelling.Nearest(key, known); near != "" {
		return fmt.Errorf("unknown key %q; did you mean %q?", key, near)
	}
	return fmt.Errorf("unknown key %q; `loadline config print --defaults` lists all", key)
}

// Validate checks what no single setting can: that nothing listens where strangers can reach it unless that was said
// to be fine, and that listeners do not collide.
func (c *Config) Validate() error {
	listeners := []struct{ key, addr string }{
		{"http.addr", c.HTTP.Addr},
		{"otlp.grpc.addr", c.OTLP.GRPCAddr},
		{"otlp.http.addr", c.OTLP.HTTPAddr},
		{"debug.addr", c.DebugAddr},
	}
	taken := map[string]string{}
	for _, l := range listeners {
		if l.addr == "" {
			continue
		}
		if !isLoopback(l.addr) {
			if l.key == "debug.addr" {
				return fmt.Errorf("%s: %q is not a loopback address; profiles show secrets in memory", l.key, l.addr)
			}
			// Certificates of senders are a log-in for the receivers.
			mutual := c.OTLP.TLS.ClientCAFile != "" && strings.HasPrefix(l.key, "otlp.")
			if !c.InsecureNoAuth && !mutual {
				return &NoAuthError{Key: l.key, Addr: l.addr}
			}
		}
		// The two OTLP receivers understand each other's requests and may share a port.
		other, twice := taken[l.addr]
		if twice && !strings.HasSuffix(l.addr, ":0") && (other != "otlp.grpc.addr" || l.key != "otlp.http.addr") {
			return fmt.Errorf("%s: %q is the address of %s already", l.key, l.addr, other)
		}
		taken[l.addr] = l.key
	}
	if t := c.OTLP.TLS; (t.CertFile == "") != (t.KeyFile == "") || t.CertFile == "" && t.ClientCAFile != "" {
		return fmt.Errorf("otlp.tls: want both cert_file and key_file, or neither and no client_ca_file")
	}
	if c.Storage.Path == "" {
		return fmt.Errorf("storage.path: empty; want a directory, such as ./loadline-data")
	}
	if c.OTLP.MaxBody < 1<<20 {
		return fmt.Errorf("otlp.max_body: %s is too small for what SDKs send; want at least 1MiB", FormatSize(c.OTLP.MaxBody))
	}
	if c.WAL.MaxSize < 64<<20 {
		return fmt.Errorf("wal.max_size: %s does not hold two segments; want at least 64MiB", FormatSize(c.WAL.MaxSize))
	}
	if q := c.Query; q.Timeout <= 0 || q.MaxSamples <= 0 || q.MaxConcurrent <= 0 {
		return fmt.Errorf("query: timeout, max_samples and max_concurrent must be above zero, or no query is answered")
	}
	return nil
}

// NoAuthError refuses an address that other machines can reach, because Loadline has no log-in yet.
type NoAuthError struct{ Key, Addr string }

func (e *NoAuthError) Error() string {
	return fmt.Sprintf("%s: %q can be reached from other machines, and Loadline asks nobody to log in", e.Key, e.Addr)
}

// Hint says what to do about it.
func (e *NoAuthError) Hint() string {
	return "listen on 127.0.0.1 behind a proxy that authenticates or, if everyone who reaches this address may read and write all telemetry, add --insecure-no-auth"
}

// isLoopback reports whether only this machine can connect to an address. A host name other than localhost is not
// looked up: what it means may change after the check.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Setting is one key with its value as text, for printing. Secrets are masked.
type Setting struct {
	Key, Value, Usage string
}

// Settings returns all settings in the order in which they are documented.
func (c *Config) Settings() []Setting {
	var all []Setting
	for _, s := range c.settings() {
		v := s.value.String()
		if s.secret && v != "" {
			v = "********"
		}
		all = append(all, Setting{Key: s.key, Value: v, Usage: s.usage})
	}
	return all
}
