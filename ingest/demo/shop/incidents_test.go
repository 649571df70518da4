package shop

import (
	"strings"
	"testing"
	"time"

	"loadline/ingest/demo/shop/blueprint"
)

func count(tr Trace, match func(Span) bool) (n int) {
	for _, s := range tr.Spans {
		if match(s) {
			n++
		}
	}
	return n
}

func TestNPlusOneComesWithTheRelease(t *testing.T) {
	m := build(t, Config{Seed: 1, Incident: "n+1"})
	loads := func(s Span) bool { return s.Name == "SELECT line_items" }
	version := func(tr Trace) (v string) {
		for _, s := range tr.Spans {
			if s.Instance.Service == "checkout-api" {
				v = s.Instance.Version
			}
		}
		return v
	}
	failed, total := 0, 0
	for i := range 200 {
		before := request(t, m, start.Add(-13*time.Minute), uint64(i), "POST /v1/checkout", Sampling{Boost: -1})
		if n := count(before, loads); n > 1 {
			t.Fatalf("line_items loaded %d times before the release", n)
		}
		if v := version(before); v == "2.14.0" {
			t.Fatal("2.14.0 runs before its release")
		}
		after := request(t, m, start, uint64(i), "POST /v1/checkout", Sampling{})
		if version(after) == "" {
			continue // refused at the edge
		}
		if v := version(after); v != "2.14.0" {
			t.Fatalf("%s runs after the release", v)
		}
		n := count(after, loads)
		if n != 0 && (n < 33 || n > 43) {
			t.Fatalf("line_items loaded %d times after the release, want about 38", n)
		}
		total++
		if strings.HasPrefix(value(after.Spans[0], "http.response.status_code"), "5") {
			failed++
		}
	}
	within(t, "failing share after the release", float64(failed)/float64(total), 0.02, 0.15)
	at := start.Add(-blueprint.NPlusOneAge + blueprint.Rollout/2)
	versions := map[string]int{}
	for _, in := range m.Running(at) {
		if in.Service == "checkout-api" {
			versions[in.Version]++
		}
	}
	if len(versions) != 2 {
		t.Errorf("versions during the roll-out: %v, want two", versions)
	}
}

func TestStampedeFollowsExpiry(t *testing.T) {
	m := build(t, Config{Seed: 1, Incident: "stampede"})
	rebuilds := func(s Span) bool { return s.Name == "SELECT products, prices, campaigns" }
	inside, outside := 0, 0
	var last time.Time
	for i := range 40 {
		at := start.Add(time.Duration(i) * 45 * time.Millisecond)
		tr := request(t, m, at, uint64(i), "GET /v1/home", Sampling{Boost: -1})
		inside += count(tr, rebuilds)
		for _, s := range tr.Spans {
			if rebuilds(s) {
				last = s.End
			}
			if s.Name == "GET catalog:home" && value(s, "cache.hit") != "false" {
				t.Error("a hit during the stampede")
			}
		}
		outside += count(request(t, m, at.Add(30*time.Second), uint64(i), "GET /v1/home", Sampling{Boost: -1}), rebuilds)
	}
	if inside < 30 || outside > 3 {
		t.Errorf("%d of 40 requests rebuild after expiry and %d between, want nearly all and nearly none", inside, outside)
	}
	if last.Before(start.Add(1500 * time.Millisecond)) {
		t.Errorf("the last rebuild ends %v after expiry", last.Sub(start))
	}
}

func TestSlowDependency(t *testing.T) {
	m := build(t, Config{Seed: 1, Incident: "slow"})
	stripe := func(s Span) bool { return value(s, "server.address") == "api.stripe.com" }
	mean := func(at time.Time) (ms float64, timeouts, retries int) {
		n := 0
		for i := range 300 {
			for _, s := range request(t, m, at, uint64(i), "POST /v1/checkout", Sampling{}).Spans {
				if !stripe(s) {
					continue
				}
				ms += float64(s.End.Sub(s.Start)) / 1e6
				n++
				if value(s, "error.type") == "timeout" {
					timeouts++
				}
				if value(s, "http.request.resend_count") != "" {
					retries++
				}
			}
		}
		return ms / float64(n), timeouts, retries
	}
	slow, timeouts, retries := mean(start.Add(2 * time.Minute))
	normal, _, _ := mean(start.Add(20 * time.Minute))
	within(t, "slow over normal", slow/normal, 5, 40)
	if timeouts == 0 || retries == 0 {
		t.Errorf("%d timeouts and %d retries, want some", timeouts, retries)
	}
}

func TestQueueBacklog(t *testing.T) {
	m := build(t, Config{Seed: 1, Incident: "queue"})
	wait := func(at time.Time) time.Duration {
		for i := range 50 {
			tr := request(t, m, at, uint64(i), "POST /v1/checkout", Sampling{Boost: -1})
			for _, s := range tr.Spans {
				if s.Name == "process orders" {
					return s.Start.Sub(at)
				}
			}
		}
		t.Fatal("no order was processed")
		return 0
	}
	if early, late, after := wait(start.Add(time.Minute)), wait(start.Add(20*time.Minute)), wait(start.Add(38*time.Minute)); early < 30*time.Second || late < 2*early || after > 10*time.Second {
		t.Errorf("orders wait %v, then %v, and %v when all is well", early, late, after)
	}
	lag := func(at time.Time) float64 {
		for _, s := range m.Platform(at) {
			for _, r := range s.Readings {
				if r.Name == "kafka.consumer_group.lag_sum" {
					return r.Value
				}
			}
		}
		t.Fatal("no lag is measured")
		return 0
	}
	if a, b := lag(start), lag(start.Add(10*time.Minute)); a < 50 || b < 1.5*a {
		t.Errorf("lag %v, ten minutes later %v", a, b)
	}
}

func TestCanaryFails(t *testing.T) {
	m := build(t, Config{Seed: 1, Incident: "deploy"})
	failed, total := map[string]float64{}, map[string]float64{}
	for i := range 3000 {
		tr := request(t, m, start, uint64(i), "GET /v1/products/{id}", Sampling{})
		for _, s := range tr.Spans {
			if s.Instance.Service == "catalog-api" && s.Name == "GET /v1/products/{id}" {
				total[s.Instance.Version]++
				if s.Failed {
					failed[s.Instance.Version]++
				}
			}
		}
	}
	within(t, "failing share of the canary", failed["5.4.0"]/total["5.4.0"], 0.06, 0.2)
	within(t, "failing share of the others", failed["5.3.1"]/total["5.3.1"], 0, 0.01)
}

func TestNoneIsQuiet(t *testing.T) {
	m := build(t, Config{Seed: 1, Incident: "none"})
	for i := range 200 {
		now := m.incidents(start.Add(time.Duration(i-100) * 90 * time.Second))
		if now.nPlusOne || now.canary || now.slow > 0 || now.backlog > 0 || !now.rebuild.IsZero() {
			t.Fatalf("an incident in a quiet shop: %+v", now)
		}
	}
}

func TestSpeedHastensTheSchedule(t *testing.T) {
	m := build(t, Config{Incident: "queue", Speed: 10})
	if got := m.phase(start.Add(time.Minute)); got != 10*time.Minute {
		t.Errorf("after a minute the schedule is at %v, want 10m", got)
	}
	if got := m.phase(start.Add(-time.Minute)); got != -time.Minute {
		t.Errorf("a minute before the start the schedule is at %v", got)
	}
}

func TestReadingsAreUniqueAndPlausible(t *testing.T) {
	m := build(t, Config{Seed: 1})
	sources := m.Platform(start)
	for _, in := range m.Running(start) {
		sources = append(sources, m.Pod(in, start))
	}
	names := map[string]bool{}
	for _, s := range sources {
		seen := map[string]bool{}
		for _, r := range s.Readings {
			label := r.Name
			for _, a := range r.Attributes {
				label += "," + string(a.Key) + "=" + a.Value.String()
			}
			if seen[label] {
				t.Errorf("series %q twice in one source", label)
			}
			seen[label], names[r.Name] = true, true
			if r.Value < 0 {
				t.Errorf("%s = %v is negative", label, r.Value)
			}
		}
	}
	for _, want := range []string{
		"kafka.consumer_group.lag", "redis.keyspace.hits", "redis.keyspace.misses", "db.client.connection.count", "db.client.connection.pending_requests",
		"process.cpu.time", "process.memory.usage", "k8s.hpa.pod.desired", "k8s.deployment.pod.available", "jvm.memory.used", "go.goroutine.count", "nodejs.eventloop.utilization",
	} {
		if !names[want] {
			t.Errorf("metric %q is missing", want)
		}
	}
}
