package web

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/query"
	"loadline/web/promapi"
)

// A fixtureSpan is a row of spans as JSON.
type fixtureSpan struct {
	TS         int64             `json:"ts"`
	Duration   int64             `json:"duration"`
	Trace      string            `json:"trace"`
	Span       string            `json:"span"`
	Parent     string            `json:"parent"`
	Service    string            `json:"service"`
	Version    string            `json:"version"`
	Operation  string            `json:"operation"`
	Kind       string            `json:"kind"`
	Error      bool              `json:"error"`
	HTTP       int               `json:"http"`
	Peer       string            `json:"peer"`
	PeerType   string            `json:"peer_type"`
	Resource   uint64            `json:"resource"`
	Attributes map[string]string `json:"attributes"`
	Events     string            `json:"events"`
}

// A shop makes traces of a few services that call each other. With the same seed it makes the same ones.
type shop struct {
	random *rand.Rand
	spans  []fixtureSpan
	ids    uint64
	trace  string
}

func newShop() *shop { return &shop{random: rand.New(rand.NewPCG(42, 7))} }

// around is a duration with a long tail.
func (s *shop) around(median time.Duration) time.Duration {
	return time.Duration(float64(median) * math.Exp(s.random.NormFloat64()*0.35))
}

func (s *shop) begin() { s.trace = fmt.Sprintf("%016x%016x", s.random.Uint64(), s.random.Uint64()) }

func (s *shop) span(parent, service, operation, kind string, at time.Time, d time.Duration) *fixtureSpan {
	s.ids++
	versions := map[string]string{"checkout-api": "2.13.4", "edge-gateway": "1.44.2", "catalog-api": "5.3.1", "payments": "3.8.0", "inventory": "1.19.4", "orders-worker": "2.13.9"}
	resources := map[string]uint64{"checkout-api": 1, "edge-gateway": 2, "catalog-api": 3, "payments": 4, "inventory": 5, "orders-worker": 6}
	s.spans = append(s.spans, fixtureSpan{
		TS: at.UnixNano(), Duration: max(int64(d), 1), Trace: s.trace, Span: fmt.Sprintf("%016x", s.ids), Parent: parent, Service: service,
		Version: versions[service], Operation: operation, Kind: kind, Resource: resources[service], Attributes: map[string]string{},
	})
	return &s.spans[len(s.spans)-1]
}

func (s *shop) call(parent, service, operation, peer, kind string, at time.Time, d time.Duration) *fixtureSpan {
	sp := s.span(parent, service, operation, "client", at, d)
	sp.Peer, sp.PeerType = peer, kind
	if kind == "database" {
		sp.Attributes = map[string]string{"db.system.name": "postgresql", "db.query.text": operation + " WHERE id = $1", "db.namespace": "shop", "server.address": "pg-primary"}
	}
	return sp
}

// checkout is a request that reads its lines one by one when the new version runs.
func (s *shop) checkout(at time.Time, released bool) {
	s.begin()
	lines, version := 1, "2.13.4"
	if released {
		lines, version = 12+s.random.IntN(26), "2.14.0"
	}
	each := s.around(9 * time.Millisecond)
	load := time.Duration(lines) * each
	charge := s.around(40 * time.Millisecond)
	total := load + charge + s.around(18*time.Millisecond)
	failed := s.random.Float64() < map[bool]float64{false: 0.002, true: 0.03}[released]
	code := map[bool]int{false: 200, true: 503}[failed]
	root := s.span("", "edge-gateway", "POST /v1/checkout", "server", at, total+s.around(3*time.Millisecond))
	root.HTTP, root.Error = code, failed
	root.Attributes = map[string]string{"http.request.method": "POST", "http.route": "/v1/checkout", "http.response.status_code": fmt.Sprint(code), "url.path": "/v1/checkout", "user.id": fmt.Sprint(s.random.IntN(900))}
	rootID := root.Span
	out := s.span(rootID, "edge-gateway", "POST", "client", at.Add(time.Millisecond), total)
	out.HTTP, out.Error = code, failed
	api := s.span(out.Span, "checkout-api", "POST /v1/checkout", "server", at.Add(2*time.Millisecond), total-time.Millisecond)
	api.HTTP, api.Error, api.Version = code, failed, version
	if failed {
		api.Events = `[{"ts":` + fmt.Sprint(at.Add(total/2).UnixNano()) + `,"name":"exception","attributes":{"exception.type":"PoolTimeout","exception.message":"no connection within 1 s","exception.stacktrace":"PoolTimeout: no connection\n  at Pool.acquire (pool.js:88)\n  at OrderRepo.load (repo.js:21)"}}]`
	}
	apiID := api.Span
	s.call(apiID, "checkout-api", "GET cart", "redis-main", "cache", at.Add(3*time.Millisecond), s.around(time.Millisecond))
	repo := s.span(apiID, "checkout-api", "OrderRepo.loadItems", "internal", at.Add(5*time.Millisecond), load+2*time.Millisecond).Span
	for i := range lines {
		s.call(repo, "checkout-api", "SELECT line_items", "postgresql:shop", "database", at.Add(6*time.Millisecond+time.Duration(i)*each), each*9/10)
	}
	then := at.Add(8*time.Millisecond + load)
	pay := s.span(apiID, "checkout-api", "POST", "client", then, charge).Span
	paid := s.span(pay, "payments", "POST /charge", "server", then.Add(time.Millisecond), charge-2*time.Millisecond)
	paid.HTTP = 200
	s.call(paid.Span, "payments", "POST", "api.stripe.com", "external", then.Add(2*time.Millisecond), charge*3/4)
	sent := s.call(apiID, "checkout-api", "publish orders", "kafka:orders", "queue", then.Add(charge), s.around(2*time.Millisecond))
	sent.Kind = "producer"
	work := s.span(sent.Span, "orders-worker", "process orders", "consumer", then.Add(charge+4*time.Millisecond), s.around(21*time.Millisecond))
	s.call(work.Span, "orders-worker", "INSERT orders", "postgresql:shop", "database", then.Add(charge+6*time.Millisecond), s.around(8*time.Millisecond))
}

// browse is a cheap request.
func (s *shop) browse(at time.Time) {
	s.begin()
	total := s.around(22 * time.Millisecond)
	code := 200
	if s.random.Float64() < 0.03 {
		code = 404
	}
	operation := []string{"GET /v1/products", "GET /v1/products/{id}", "GET /v1/cart/{id}"}[s.random.IntN(3)]
	root := s.span("", "edge-gateway", operation, "server", at, total+2*time.Millisecond)
	root.HTTP = code
	rootID := root.Span
	api := s.span(rootID, "catalog-api", operation, "server", at.Add(time.Millisecond), total)
	api.HTTP = code
	apiID := api.Span
	s.call(apiID, "catalog-api", "GET product", "redis-main", "cache", at.Add(2*time.Millisecond), s.around(time.Millisecond))
	if s.random.Float64() < 0.2 {
		stock := s.span(apiID, "inventory", "GET /stock/{sku}", "server", at.Add(4*time.Millisecond), s.around(7*time.Millisecond))
		stock.HTTP = 200
		s.call(stock.Span, "inventory", "SELECT stock", "postgresql:shop", "database", at.Add(5*time.Millisecond), s.around(4*time.Millisecond))
	}
}

// fill makes traffic up to now: an hour of it, a release twelve minutes ago, and the hour before more thinly.
func (s *shop) fill(now time.Time) {
	for at := now.Add(-95 * time.Minute); at.Before(now.Add(-time.Second)); {
		gap := 700 * time.Millisecond
		if at.Before(now.Add(-32 * time.Minute)) {
			gap = 4 * time.Second
		}
		at = at.Add(time.Duration(s.random.ExpFloat64() * float64(gap)))
		if s.random.Float64() < 0.3 {
			s.checkout(at, now.Sub(at) < 12*time.Minute)
		} else {
			s.browse(at)
		}
	}
}

func execute(t testing.TB, db *clickhouse.DB, sql string, args ...any) {
	t.Helper()
	if err := db.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// store writes spans and what ingest derives from them.
func store(t testing.TB, db *clickhouse.DB, spans []fixtureSpan) {
	t.Helper()
	lowest, first := int64(math.MaxInt64), spans[0].Span
	for len(spans) > 0 {
		n := min(len(spans), 3000)
		for i := range spans[:n] {
			lowest, first = min(lowest, spans[i].TS), min(first, spans[i].Span)
		}
		text, err := json.Marshal(spans[:n])
		if err != nil {
			t.Fatal(err)
		}
		spans = spans[n:]
		rows := clickhouse.Named("rows", string(text))
		execute(t, db, `
INSERT INTO spans (slice, ts, duration, trace_id, span_id, parent_id, env, service, version, operation, name, kind, status, error, http_status, peer, peer_type, weight, resource_id, attributes, attribute_types, events)
SELECT toStartOfInterval(toDateTime(intDiv(r.ts, 1000000000), 'UTC'), INTERVAL 10 SECOND), fromUnixTimestamp64Nano(r.ts, 'UTC'), r.duration,
       toFixedString(unhex(r.trace), 16), toFixedString(unhex(r.span), 8), toFixedString(unhex(r.parent), 8),
       'production', r.service, r.version, r.operation, r.operation, r.kind, if(r.error, 'error', 'unset'), r.error, r.http, r.peer, r.peer_type, 1, r.resource,
       r.attributes, repeat('s', length(r.attributes)), r.events
FROM (SELECT arrayJoin(JSONExtract({rows:String}, 'Array(Tuple(ts Int64, duration UInt64, trace String, span String, parent String, service String, version String, operation String, kind String, error Bool, http UInt16, peer String, peer_type String, resource UInt64, attributes Map(String, String), events String))')) AS r)`, rows)
	}
	from := clickhouse.Named("from", lowest/1e9)
	since := "slice >= toStartOfInterval(toDateTime({from:Int64}, 'UTC'), INTERVAL 10 SECOND) AND span_id >= toFixedString(unhex('" + first + "'), 8)"
	execute(t, db, `
INSERT INTO red_10s (slice, service, env, version, operation, kind, root, status, error, spans, requests, duration, latency, slowest)
SELECT slice, service, env, version, operation, kind, parent_id = toFixedString('', 8) AS is_root,
       multiIf(http_status > 0, concat(toString(intDiv(http_status, 100)), 'xx'), error, 'error', 'ok') AS class, error,
       count(), sum(weight), sum(duration * weight), sumMap([toInt16(ceil(8 * log2(duration)))], [weight]), max((duration, trace_id))
FROM spans
WHERE `+since+`
GROUP BY slice, service, env, version, operation, kind, is_root, class, error`, from)
	for table, interval := range map[string]string{"red_5m": "5 MINUTE", "red_1h": "1 HOUR"} {
		execute(t, db, `
INSERT INTO `+table+` (slice, service, env, version, operation, kind, root, status, error, spans, requests, duration, latency, slowest)
SELECT toStartOfInterval(slice, INTERVAL `+interval+`) AS at, service, env, version, operation, kind, parent_id = toFixedString('', 8) AS is_root,
       multiIf(http_status > 0, concat(toString(intDiv(http_status, 100)), 'xx'), error, 'error', 'ok') AS class, error,
       count(), sum(weight), sum(duration * weight), sumMap([toInt16(ceil(8 * log2(duration)))], [weight]), max((duration, trace_id))
FROM spans
WHERE `+since+`
GROUP BY at, service, env, version, operation, kind, is_root, class, error`, from)
	}
	execute(t, db, `INSERT INTO trace_index (trace_id, slice) SELECT DISTINCT trace_id, slice FROM spans WHERE `+since, from)
	execute(t, db, `
INSERT INTO edges (slice, env, client, server, server_type, calls, errors, duration, latency)
SELECT toStartOfMinute(slice) AS at, env, service, peer, peer_type, count(), countIf(error), sum(duration), sumMap([toInt16(ceil(8 * log2(duration)))], [1.0])
FROM spans
WHERE `+since+` AND peer != ''
GROUP BY at, env, service, peer, peer_type`, from)
	execute(t, db, `
INSERT INTO edges (slice, env, client, server, server_type, calls, errors, duration, latency)
SELECT toStartOfMinute(c.slice) AS at, c.env, c.service AS client, s.service AS server, 'service', count(), countIf(c.error), sum(c.duration), sumMap([toInt16(ceil(8 * log2(c.duration)))], [1.0])
FROM spans AS c
INNER JOIN spans AS s ON s.trace_id = c.trace_id AND s.parent_id = c.span_id
WHERE `+strings.ReplaceAll(strings.ReplaceAll(since, "slice >=", "c.slice >="), "span_id >=", "c.span_id >=")+` AND s.service != c.service AND c.peer = ''
GROUP BY at, c.env, client, server`, from)
	execute(t, db, `
INSERT INTO deployments (service, env, version, first_seen, last_seen)
SELECT service, env, version, min(toDateTime(ts)), max(toDateTime(ts)) FROM spans WHERE `+since+` GROUP BY service, env, version`, from)
	execute(t, db, `
INSERT INTO resources (resource_id, env, service, version, instance, language, attributes, attribute_types, last_seen)
SELECT DISTINCT resource_id, env, service, version, concat(service, '-7c9d-x2m4q'), transform(service, ['checkout-api', 'catalog-api', 'orders-worker'], ['java', 'nodejs', 'java'], 'go'),
       map('k8s.pod.name', concat(service, '-7c9d-x2m4q'), 'service.name', service), 'ss', now()
FROM spans WHERE `+since, from)
}

// fixture is a server over a database with traffic in it.
type fixture struct {
	*httptest.Server
	web  *Server
	db   *clickhouse.DB
	api  *promapi.API
	shop *shop
	now  time.Time
	slos *objectives

	mu      sync.Mutex
	health  Health
	stopHub func()
}

// newFixture starts a server. Without traffic nothing was ever stored.
func newFixture(t testing.TB, traffic bool) *fixture {
	t.Helper()
	f := &fixture{db: chtest.New(t), shop: newShop(), now: time.Now()}
	if traffic {
		f.shop.fill(f.now)
		store(t, f.db, f.shop.spans)
		f.storeMetrics(t)
	}
	f.health = Health{
		Listeners:      []Listener{{Protocol: "OTLP/gRPC", Addr: "127.0.0.1:4317", Requests: 12}, {Protocol: "OTLP/HTTP", Addr: "127.0.0.1:4318"}},
		Refusals:       []Refusal{{Reason: "missing authorization header", Code: "401", Peer: "10.0.3.7", Count: 3, Last: f.now.Add(-20 * time.Second)}},
		SpansPerSecond: 18234, Lag: 1400 * time.Millisecond,
		Facts:   []Fact{{Label: "Queue", Value: "0 segments"}, {Label: "Batch", Value: "24,000 spans"}},
		Storage: Storage{Engine: "embedded ClickHouse 26.7", Where: "./loadline-data", Free: 80e9},
	}
	f.slos = newObjectives(t, f.db, traffic)
	s, err := New(Config{Store: query.New(f.db), Metrics: f.metrics(t), SLOs: f.slos.Engine, Health: f.healthNow, Version: "test", HTTPAddr: "127.0.0.1:4318", GRPCAddr: "127.0.0.1:4317", Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	f.web = s
	f.run(t)
	mux := http.NewServeMux()
	f.api.Register(mux)
	mux.Handle("/", s.Handler())
	f.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		f.stopHub()
		f.Close()
	})
	return f
}

func (f *fixture) healthNow() Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.health
	h.Listeners = slices.Clone(h.Listeners)
	return h
}

// run starts the live updates.
func (f *fixture) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.web.Run(ctx) }()
	f.stopHub = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("hub: %v", err)
		}
	})
}

// page fetches a page as text and fails when it is not answered with 200.
func (f *fixture) page(t testing.TB, path string) string {
	t.Helper()
	body, code := f.get(t, path)
	if code != http.StatusOK {
		t.Fatalf("%s answers %d: %s", path, code, body)
	}
	return body
}

func (f *fixture) get(t testing.TB, path string) (body string, code int) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, f.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b := make([]byte, 0, 64<<10)
	for {
		chunk := make([]byte, 32<<10)
		n, err := res.Body.Read(chunk)
		b = append(b, chunk[:n]...)
		if err != nil {
			return string(b), res.StatusCode
		}
	}
}
