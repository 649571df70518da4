package sli_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/sli"
)

func TestCanonical(t *testing.T) {
	f := func(in, want sli.Indicator) {
		t.Helper()
		got, err := in.Canonical()
		if err != nil {
			t.Errorf("%+v: %v", in, err)
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", in, diff)
		}
		again, err := got.Canonical()
		if diff := cmp.Diff(got, again); diff != "" || err != nil {
			t.Errorf("%+v: not canonical: %v\n%s", got, err, diff)
		}
	}
	f(sli.Indicator{Service: "a"}, sli.Indicator{Service: "a"})
	f(sli.Indicator{Service: "a", Operations: []string{"b", "a**", "b"}, Kinds: []string{"server", "client", "server"}},
		sli.Indicator{Service: "a", Operations: []string{"a*", "b"}, Kinds: []string{"client", "server"}})
	f(sli.Indicator{Service: "a", Operations: []string{"b", "***"}}, sli.Indicator{Service: "a"})
	f(sli.Indicator{Service: "a", Matchers: []sli.Matcher{{"user.id", "=", "7"}, {"service.version", "!~", "1.*"}, {"user.id", "=", "7"}}},
		sli.Indicator{Service: "a", Matchers: []sli.Matcher{{"user.id", "=", "7"}, {"version", "!~", "1.*"}}})
	f(sli.Indicator{Service: "a", Matchers: []sli.Matcher{{"http.status_code", "!=", "5XX"}, {"status_code", "=", "4xx"}, {"x", "=", "5xx"}}},
		sli.Indicator{Service: "a", Matchers: []sli.Matcher{
			{"http.response.status_code", "!~", "5[0-9][0-9]"}, {"http.response.status_code", "=~", "4[0-9][0-9]"}, {"x", "=", "5xx"},
		}})
	f(sli.Indicator{Service: "a", Bad: sli.Bad{HTTP: []string{"5XX", "429", "5xx"}, GRPC: []string{"UNKNOWN", "ABORTED", "UNKNOWN"}}},
		sli.Indicator{Service: "a", Bad: sli.Bad{HTTP: []string{"429", "5xx"}, GRPC: []string{"ABORTED", "UNKNOWN"}}})
	f(sli.Indicator{Service: "a", GroupBy: "endpoint", MaxGroups: sli.DefaultGroups}, sli.Indicator{Service: "a", GroupBy: "operation"})
	f(sli.Indicator{Service: "a", MaxGroups: 7}, sli.Indicator{Service: "a"})
}

func TestCanonicalLeavesItsArgumentAlone(t *testing.T) {
	in := sli.Indicator{
		Service: "a", Operations: []string{"b", "a"}, Kinds: []string{"server", "client"},
		Matchers: []sli.Matcher{{"z", "=", "1"}, {"service.version", "=", "1"}},
		Bad:      sli.Bad{HTTP: []string{"5XX", "429"}, GRPC: []string{"UNKNOWN", "ABORTED"}},
	}
	before, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Canonical(); err != nil {
		t.Fatal(err)
	}
	if after, err := json.Marshal(in); err != nil || string(before) != string(after) {
		t.Errorf("%s became %s, %v", before, after, err)
	}
}

func TestValidate(t *testing.T) {
	f := func(in sli.Indicator, want string) {
		t.Helper()
		if err := in.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", in, err, want)
		}
		if _, err := sli.Compile(in); err == nil {
			t.Errorf("%+v is compiled", in)
		}
		if _, err := sli.ID(in, 0); err == nil {
			t.Errorf("%+v has an id", in)
		}
	}
	where := func(key, op, value string) sli.Indicator {
		return sli.Indicator{Service: "a", Matchers: []sli.Matcher{{key, op, value}}}
	}
	f(sli.Indicator{}, "service")
	f(sli.Indicator{Service: "a", Operations: []string{""}}, "operation")
	f(sli.Indicator{Service: "a", Operations: make([]string, 101)}, "101 operations")
	f(sli.Indicator{Service: "a", Kinds: []string{"SERVER"}}, `kind "SERVER": use server`)
	f(sli.Indicator{Service: "a", Kinds: []string{""}}, `kind ""`)
	f(where("service", "=", "b"), "use the indicator's service")
	f(where("duration", ">", "1s"), "use bad events by a duration")
	f(where("span.kind", "=", "server"), "use the indicator's kinds")
	f(where("", "=", "b"), "key")
	f(where("x", ">", "1"), `operator ">": use =`)
	f(where("x", "=~", "("), "missing closing )")
	f(where("x", "=~", strings.Repeat("x", 1001)), "longer than 1000 bytes")
	f(where("x", "!=", strings.Repeat("x", 1025)), "longer than 1024 bytes")
	f(sli.Indicator{Service: "a", Matchers: make([]sli.Matcher, 21)}, "21 matchers")
	f(sli.Indicator{Service: "a", Bad: sli.Bad{HTTP: []string{"500", "6xx"}}}, `HTTP status "6xx": use a code`)
	f(sli.Indicator{Service: "a", Bad: sli.Bad{HTTP: []string{"50"}}}, `HTTP status "50"`)
	f(sli.Indicator{Service: "a", Bad: sli.Bad{GRPC: []string{"14"}}}, `gRPC status "14": use a name`)
	f(sli.Indicator{Service: "a", Bad: sli.Bad{Slower: -1}}, "duration -1ns")
	f(sli.Indicator{Service: "a", Bad: sli.Bad{Slower: 25 * time.Hour}}, "duration 25h0m0s")
	f(sli.Indicator{Service: "a", Bad: sli.Bad{Matchers: []sli.Matcher{{"env", "=", "x"}}}}, "use the indicator's env")
	f(sli.Indicator{Service: "a", GroupBy: "kind"}, "group by: key")
	f(sli.Indicator{Service: "a", GroupBy: "operation", MaxGroups: 1001}, "1001 groups")
	f(sli.Indicator{Service: "a", GroupBy: "operation", MaxGroups: -1}, "-1 groups")
}

func TestID(t *testing.T) {
	id := func(i sli.Indicator, since int64) uint64 {
		t.Helper()
		id, err := sli.ID(i, since)
		if err != nil || id == 0 {
			t.Fatal(id, err)
		}
		return id
	}
	a := sli.Indicator{Service: "a", Operations: []string{"x", "y"}, Matchers: []sli.Matcher{{"service.version", "=", "1"}}}
	same := sli.Indicator{Service: "a", Operations: []string{"y", "x", "x"}, Matchers: []sli.Matcher{{"version", "=", "1"}}, MaxGroups: 3}
	if id(a, 10) != id(same, 10) {
		t.Error("the same thing has two ids")
	}
	// A change of this number orphans what is stored.
	if got := id(a, 10); got != 0x873ff8566a3a7ca5 {
		t.Errorf("id %#x", got)
	}
	for _, other := range []sli.Indicator{
		{Service: "b", Operations: a.Operations, Matchers: a.Matchers},
		{Service: "a", Operations: a.Operations},
		{Service: "a", Operations: a.Operations, Matchers: a.Matchers, Bad: sli.Bad{Slower: 1}},
		{Service: "a", Operations: a.Operations, Matchers: a.Matchers, GroupBy: "version"},
	} {
		if id(other, 10) == id(a, 10) {
			t.Errorf("%+v has the id of %+v", other, a)
		}
	}
	if id(a, 10) == id(a, 20) {
		t.Error("two activations have one id")
	}
}

func TestGroups(t *testing.T) {
	f := func(i sli.Indicator, want int) {
		t.Helper()
		if got := i.Groups(); got != want {
			t.Errorf("%+v: %d groups, want %d", i, got, want)
		}
	}
	f(sli.Indicator{}, 0)
	f(sli.Indicator{MaxGroups: 5}, 0)
	f(sli.Indicator{GroupBy: "version"}, sli.DefaultGroups)
	f(sli.Indicator{GroupBy: "version", MaxGroups: 5}, 5)
}

func TestGlob(t *testing.T) {
	f := func(pattern, text string, want bool) {
		t.Helper()
		if got := regexp.MustCompile(sli.Glob(pattern)).MatchString(text); got != want {
			t.Errorf("%q matches %q: %v", pattern, text, got)
		}
	}
	f("GET /a", "GET /a", true)
	f("GET /a", "GET /ab", false)
	f("GET /a", "xGET /a", false)
	f("GET *", "GET ", true)
	f("GET *", "GET /a\nb", true)
	f("*/{id}", "GET /v1/{id}", true)
	f("*/{id}", "GET /v1/{id}/x", false)
	f("a.c", "abc", false)
	f("*b*d*", "abcde", true)
	f("*d*b*", "abcde", false)
}

func TestGRPCCode(t *testing.T) {
	f := func(name string, want int, wantOK bool) {
		t.Helper()
		if got, ok := sli.GRPCCode(name); ok != wantOK || ok && got != want {
			t.Errorf("%q: %d, %v", name, got, ok)
		}
	}
	f("OK", 0, true)
	f("CANCELLED", 1, true)
	f("UNAVAILABLE", 14, true)
	f("UNAUTHENTICATED", 16, true)
	f("unavailable", 0, false)
	f("", 0, false)
}
