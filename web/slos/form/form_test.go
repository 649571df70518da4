package form

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"loadline/query/indicator"
	"loadline/slo/spec"
	"loadline/slo/spec/definition"
)

// filled is a form with the fields of a request.
func filled(pairs ...string) Values {
	v := url.Values{"service": {"checkout-api"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return Read(v)
}

// TestRoundTrip: what a form says comes back from the stored definition as the same form.
func TestRoundTrip(t *testing.T) {
	f := func(name string, pairs ...string) {
		t.Helper()
		v := filled(pairs...)
		made, mistakes := v.SLO()
		if len(mistakes) > 0 {
			t.Errorf("%s: %v", name, mistakes)
			return
		}
		text, err := definition.Export(made, definition.Native)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		read, problems := definition.Read("", text)
		if spec.Failed(problems) || len(read) != 1 {
			t.Errorf("%s: %d SLOs, %v from\n%s", name, len(read), problems, text)
			return
		}
		back, ok := Of(read[0])
		if !ok {
			t.Errorf("%s: the form cannot say\n%s", name, text)
			return
		}
		back.Name = v.Name // it was made from the rest
		if v.Alert == "none" {
			back.Guard = v.Guard
		}
		if back.Kind == Availability {
			back.Slower = v.Slower
		}
		if back != v {
			t.Errorf("%s:\n got %+v\nwant %+v\nfrom %s", name, back, v, text)
		}
	}
	f("defaults")
	f("availability", "kind", Availability, "codes", "408, 429")
	f("speed", "kind", Speed, "slower", "1.5s", "operations", "POST /v1/checkout\nGET /v1/cart/*")
	f("where", "where", `customer.tier = gold AND http.route !~ /v1/in.*`, "environment", "production", "group_by", "operation")
	f("people", "owner", "team checkout", "runbook", "https://wiki.example.com/x?a=b", "labels", "product=shop, tier=1", "notify", "oncall, lead", "title", "Checkout: \"fast\"", "description", "What users\nsee.")
	f("calendar", "window", "month", "zone", "Europe/Berlin")
	f("week", "window", "week", "zone", "UTC", "objective", "99.95%")
	f("rolling", "window", "14d", "objective", "95%")
	for _, alert := range []string{"page", "ticket", "none", "sloth", "pyrra"} {
		f(alert, "alert", alert, "sent", "1", "guard", map[bool]string{true: "", false: "on"}[alert == "sloth" || alert == "pyrra"])
	}
	f("unguarded", "sent", "1")
	f("own rules", "alert", "custom", "tiers", "page 10x over 30m and 5m\nticket 2.5x over 6h and 30m")
	f("ratio", "kind", Ratio, "slower", "400ms", "total", `sum(increase(http_requests_total[$window]))`, "bad", `sum(increase(http_requests_total{code=~"5.."}[$window]))`)
	f("good ratio", "kind", Ratio, "total", `sum(increase(a[$window]))`, "good", `sum(increase(b[$window]))`)
	f("threshold", "kind", Threshold, "query", "max by (queue) (age_seconds)", "op", "<", "limit", "30")
}

// TestMistakes: every mistake is told at its field.
func TestMistakes(t *testing.T) {
	f := func(field, says string, pairs ...string) {
		t.Helper()
		_, mistakes := filled(pairs...).SLO()
		if got := mistakes[field]; !strings.Contains(got, says) {
			t.Errorf("%v: %s is told %q of %v, want %q", pairs, field, got, mistakes, says)
		}
	}
	f("service", "Choose the service", "service", "")
	f("objective", "leaves no budget", "objective", "100%")
	f("objective", "arget", "objective", "lots")
	f("slower", "Write a duration", "slower", "fast")
	f("slower", "Write a duration", "slower", "-4ms")
	f("window", "Write a length", "window", "soon")
	f("window", "366 days", "window", "900d")
	f("zone", "", "window", "month", "zone", "Europe/Nowhere")
	f("kind", "no kind", "kind", "vibes")
	f("where", "compares with", "where", "duration > 4ms")
	f("where", "", "where", "= = =")
	f("where", "", "where", "customer =~ (")
	f("alert", "no alert policy", "alert", "loud")
	f("tiers", "at least one rule", "alert", "custom")
	f("tiers", "Line 2: write a rule", "alert", "custom", "tiers", "page 14x 1h 5m\nfire")
	f("tiers", "Line 1", "alert", "custom", "tiers", "page many 1h 5m")
	f("labels", `"x" is none`, "labels", "a=b, x")
	f("runbook", "address", "runbook", "javascript:alert(1)")
	f("total", "counts all events", "kind", Ratio)
	f("bad", "one of the two", "kind", Ratio, "total", "a", "good", "b", "bad", "c")
	f("query", "expression", "kind", Threshold)
	f("limit", "number", "kind", Threshold, "limit", "NaN")
	for _, zone := range []string{"Europe/Nowhere"} {
		if _, m := filled("window", "month", "zone", zone).SLO(); m["zone"] == "" {
			t.Errorf("zone %q is taken", zone)
		}
	}
}

// TestBeyondForm: definitions that say more than the form are edited as text.
func TestBeyondForm(t *testing.T) {
	f := func(name string, change func(*spec.SLO)) {
		t.Helper()
		made, mistakes := filled().SLO()
		if len(mistakes) > 0 {
			t.Fatal(mistakes)
		}
		if _, ok := Of(made); !ok {
			t.Fatal("the form cannot say what it said")
		}
		change(&made)
		if _, ok := Of(made); ok {
			t.Errorf("%s: the form claims to say all of it", name)
		}
	}
	f("two objectives", func(s *spec.SLO) { s.Objectives = append(s.Objectives, s.Objectives[0]) })
	f("annotations", func(s *spec.SLO) { s.Annotations = map[string]string{"a": "b"} })
	f("kinds", func(s *spec.SLO) { s.Objectives[0].Indicator.Spans.Kinds = []string{"client"} })
	f("a method", func(s *spec.SLO) { s.Objectives[0].Method = 1 })
	f("a policy", func(s *spec.SLO) { s.Objectives[0].Policy.KeepFiring = time.Hour })
	f("a composite", func(s *spec.SLO) {
		s.Objectives[0].Indicator = spec.Indicator{Composite: &spec.Composite{Method: "any"}}
	})
}

func TestNames(t *testing.T) {
	f := func(want string, pairs ...string) {
		t.Helper()
		made, _ := filled(pairs...).SLO()
		if made.Name != want {
			t.Errorf("%v: %q, want %q", pairs, made.Name, want)
		}
	}
	f("checkout-api-latency")
	f("checkout-api-post-v1-checkout-speed", "kind", Speed, "operations", "POST /v1/checkout")
	f("mine", "name", "mine")
	long, _ := filled("operations", strings.Repeat("very long ", 20)).SLO()
	if len(long.Name) > 63 || strings.HasSuffix(long.Name, "-") {
		t.Errorf("name %q", long.Name)
	}
}

func TestLengths(t *testing.T) {
	f := func(text string, want time.Duration) {
		t.Helper()
		got, err := ParseLength(text)
		if err != nil || got != want || Length(got) != text {
			t.Errorf("%q: %v, %v, written %q", text, got, err, Length(got))
		}
	}
	f("30d", 720*time.Hour)
	f("6h", 6*time.Hour)
	f("5m", 5*time.Minute)
	f("1h30m", 90*time.Minute)
	f("1m30s", 90*time.Second)
	f("400ms", 400*time.Millisecond)
	f("1.5s", 1500*time.Millisecond)
	for _, bad := range []string{"", "d", "-3d", "1.5d", "forever"} {
		if got, err := ParseLength(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}

func TestSuggested(t *testing.T) {
	v := Suggested(indicator.Suggestion{Service: "checkout-api", Operation: "POST /v1/checkout", LatencyTarget: "99.5", Threshold: 400 * time.Millisecond, AvailabilityTarget: "99.9"})
	made, mistakes := v.SLO()
	if len(mistakes) > 0 || made.Objectives[0].Target.String() != "99.5%" || made.Objectives[0].Indicator.Spans.Bad.Slower != 400*time.Millisecond {
		t.Errorf("%v, %+v", mistakes, made)
	}
	// The address of the form brings back the same fields.
	if back := Read(v.Params()); back != v {
		t.Errorf("got %+v, want %+v", back, v)
	}
	unguarded := v
	unguarded.Guard = false
	if back := Read(unguarded.Params()); back != unguarded {
		t.Errorf("got %+v, want %+v", back, unguarded)
	}
}

func FuzzForm(f *testing.F) {
	f.Add("checkout", "GET /*", "a = b", "99.9%", "30d", "page 14.4x over 1h and 5m", "a=b", "400ms")
	f.Fuzz(func(t *testing.T, service, operations, where, objective, window, tiers, labels, slower string) {
		v := filled("service", service, "operations", operations, "where", where, "objective", objective, "window", window, "alert", "custom", "tiers", tiers, "labels", labels, "slower", slower)
		made, mistakes := v.SLO()
		if len(mistakes) > 0 {
			return
		}
		text, err := definition.Export(made, definition.Native)
		if err != nil {
			return // the page says so
		}
		read, problems := definition.Read("", text)
		if spec.Failed(problems) {
			return // so does it then
		}
		if len(read) != 1 || read[0].Service != made.Service || read[0].Objectives[0].Target != made.Objectives[0].Target {
			t.Errorf("%+v becomes %+v by\n%s", made, read, text)
		}
	})
}
