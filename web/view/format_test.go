package view

import (
	"encoding/json"
	"math"
	"net/url"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) = %q, want %q", d, got, want)
		}
	}
	f(0, "0 ms")
	f(640, "640 ns")
	f(4200, "4.20 µs")
	f(999_400, "999 µs")
	f(999_600, "1.00 ms")
	f(12_340_000, "12.3 ms")
	f(237*time.Millisecond, "237 ms")
	f(999_600_000, "1.00 s")
	f(1390*time.Millisecond, "1.39 s")
	f(59*time.Second, "59.0 s")
	f(90*time.Second, "1 min 30 s")
	f(26*time.Hour, "1 d 2 h")
	f(40*24*time.Hour+time.Hour, "40 d")
	f(-5*time.Millisecond, "−5.00 ms")
}

func TestNumbers(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(Rate(0), "0")
	f(Rate(0.004), "<0.01")
	f(Rate(0.42), "0.42")
	f(Rate(18.94), "18.9")
	f(Rate(999.6), "1.00k")
	f(Rate(2034), "2.03k")
	f(Rate(1.23e6), "1.23M")
	f(Rate(math.NaN()), None)
	f(Percent(0), "0%")
	f(Percent(0.00001), "<0.01%")
	f(Percent(0.0162), "1.62%")
	f(Percent(0.314), "31.4%")
	f(Percent(0.99942), "99.9%")
	f(Percent(0.999942), "99.994%")
	f(Percent(1), "100.0%")
	f(Percent(math.NaN()), None)
	f(ErrorShare(0, 0), None)
	f(ErrorShare(0, 10), "0%")
	f(Latency(0, 0), None)
	f(Latency(time.Millisecond, 3), "1.00 ms")
	f(Whole(0.004), "<1%")
	f(Whole(0.64), "64%")
	f(Count(999), "999")
	f(Count(18402), "18\u2009402")
	f(Count(2.1e6), "2.10M")
	f(Plural(1, "span", "spans"), "1 span")
	f(Plural(1200, "span", "spans"), "1\u2009200 spans")
	f(Bytes(999), "999 B")
	f(Bytes(80e9), "80.0 GB")
	f(Bytes(1_500_000), "1.50 MB")
	f(Bytes(2e12), "2.00 TB")
	f(Change(106.2, 100), "+6.2%")
	f(Change(88, 100), "−12%")
	f(Change(240, 100), "2.40×")
	f(Change(100, 100), "±0%")
	f(Change(1, 0), "")
	f(Ago(1400*time.Millisecond), "1.4 s ago")
	f(Ago(42*time.Second), "42 s ago")
	f(Ago(12*time.Minute), "12 min ago")
	f(Ago(30*time.Hour), "30 h ago")
	f(Ago(72*time.Hour), "3 d ago")
	f(Ago(-time.Second), "just now")
	f(Version("2.14.0"), "v2.14.0")
	f(Version("main-3f2a"), "main-3f2a")
	f(Version(""), "")
	f(Short("7f3a9c0e51d24b8a7f3a9c0e51d24b8a", 12), "7f3a9c0e…4b8a")
	f(Positive(0), "")
	f(Positive(3), "3")
}

func TestLink(t *testing.T) {
	query := func(s string) url.Values {
		v, err := url.ParseQuery(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	p := Page{Path: "/traces", Query: query("range=1h&env=prod&q=status+%3D+error&cursor=abc&part=rows&tz=utc")}
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(p.Link("/"), "/?env=prod&range=1h&tz=utc")
	f(p.Link("/services", "sort", "-p99"), "/services?env=prod&range=1h&sort=-p99&tz=utc")
	f(p.With("q", ""), "/traces?env=prod&range=1h&tz=utc")
	f(p.With("range", "", "from", "1", "to", "2"), "/traces?env=prod&from=1&q=status+%3D+error&to=2&tz=utc")
	f(p.Service("a/b c?"), "/services/a%2Fb%20c%3F?env=prod&range=1h&tz=utc")
	f(Page{}.Link("/"), "/")
	if p.Query.Get("cursor") != "abc" {
		t.Error("a link has changed the page")
	}
}

func TestChartJSON(t *testing.T) {
	b, err := json.Marshal(Columns{T0: 10, Step: 5, Y: []Numbers{{1.23456, math.NaN(), 0, 123456.7, math.Inf(1), 0.00012345}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"t0":10,"step":5,"y":[[1.235,null,0,123500,null,0.0001235]]}`; string(b) != want {
		t.Errorf("got %s, want %s", b, want)
	}
}

func TestChartTexts(t *testing.T) {
	c := Chart{Unit: "ms", Series: []Series{{Label: "p50"}}, Columns: Columns{Step: 10, Open: true, Y: []Numbers{{10, math.NaN(), 30, 2000}}}}
	if got := c.Legend(0); got != "30.0 ms" {
		t.Errorf("legend %q: the step that has not ended does not count", got)
	}
	if got, want := c.Summary(), "p50: now 30.0 ms, between 10.0 ms and 2.00 s."; got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
	if got := c.Path(0); got != "M0 100M400 99L600 11" {
		t.Errorf("path %q: a gap has to stay one", got)
	}
	empty := Chart{Series: []Series{{Label: "a"}}, Columns: Columns{Y: []Numbers{{math.NaN(), math.NaN()}}}}
	if empty.HasData() || empty.Legend(0) != None || empty.Summary() != "a: no data." {
		t.Errorf("empty chart: %t %q %q", empty.HasData(), empty.Legend(0), empty.Summary())
	}
}

func TestSpark(t *testing.T) {
	f := func(values []float64, want string) {
		t.Helper()
		if got := Spark(values); got != want {
			t.Errorf("Spark(%v) = %q, want %q", values, got, want)
		}
	}
	f(nil, "")
	f([]float64{math.NaN(), math.NaN()}, "")
	f([]float64{0, 0}, "M0 28L100 28")
	f([]float64{0, 10}, "M0 28L100 2")
	f([]float64{100, 101}, "M0 15L100 15") // one percent is no drama
	f([]float64{1, math.NaN(), 0}, "M0 2M100 28")
	if SparkArea("M0 2M100 28") != "" || SparkArea("M0 2L100 28") == "" {
		t.Error("only a line without gaps has an area")
	}
}

func TestDemoServicesDifferInColor(t *testing.T) {
	seen := map[int]string{}
	for _, name := range []string{"edge-gateway", "catalog-api", "checkout-api", "search-api", "payments", "inventory", "orders-worker"} {
		c := Color(name)
		if seen[c] != "" || c < 1 || c > 8 {
			t.Errorf("%s and %s have colour %d", name, seen[c], c)
		}
		seen[c] = name
	}
}
