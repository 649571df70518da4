package filter

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	f := func(text string, want ...Matcher) {
		t.Helper()
		got, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
		again, err := Parse(Format(got))
		if diff := cmp.Diff(got, again); diff != "" || err != nil {
			t.Errorf("%s, formatted %s: %v %s", text, Format(got), err, diff)
		}
	}
	f("")
	f(" \n")
	f("http.route=/v1/checkout", Matcher{"http.route", Equal, "/v1/checkout"})
	f(`duration > 400ms AND service.name != web`, Matcher{"duration", Greater, "400ms"}, Matcher{"service.name", NotEqual, "web"})
	f(`duration>=1.5s && user.id exists`, Matcher{"duration", GreaterEqual, "1.5s"}, Matcher{"user.id", Exists, ""})
	f(`name =~ "^GET .*" error = true`, Matcher{"name", Match, "^GET .*"}, Matcher{"error", Equal, "true"})
	f(`a = "x \"y\" \\z" and b !exists`, Matcher{"a", Equal, `x "y" \z`}, Matcher{"b", NotExists, ""})
	f(`a="" b !~ c`, Matcher{"a", Equal, ""}, Matcher{"b", NotMatch, "c"})
	f(`url.query = a=b&c AND android = and`, Matcher{"url.query", Equal, "a=b&c"}, Matcher{"android", Equal, "and"})
	f(`and = 1`, Matcher{"and", Equal, "1"})
}

func TestParseErrors(t *testing.T) {
	f := func(text string) {
		t.Helper()
		if got, err := Parse(text); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
	f("key")
	f("= value")
	f("key =")
	f(`key = "open`)
	f("key ? value")
	f("key =~ (")
	f("kind > 3")
}

func FuzzParse(f *testing.F) {
	f.Add(`http.route = "/v1/checkout" AND duration > 400ms AND user.id exists`)
	f.Add(`a="\\" b!~c && d`)
	f.Fuzz(func(t *testing.T, text string) {
		matchers, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(Format(matchers))
		if diff := cmp.Diff(matchers, again); err != nil || diff != "" {
			t.Errorf("%q, formatted %q: %v\n%s", text, Format(matchers), err, diff)
		}
	})
}

func TestParseDuration(t *testing.T) {
	f := func(text string, want time.Duration) {
		t.Helper()
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	f("400ms", 400*time.Millisecond)
	f(" 400 ms ", 400*time.Millisecond)
	f("1.5s", 1500*time.Millisecond)
	f("2m30s", 150*time.Second)
	f("250", 250*time.Millisecond)
	for _, bad := range []string{"", "fast", "-1s", "-5", "1e300", "NaN"} {
		if d, err := ParseDuration(bad); err == nil {
			t.Errorf("%q: %v", bad, d)
		}
	}
}
