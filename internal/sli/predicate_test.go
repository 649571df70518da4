package sli_test

import (
	"strings"
	"testing"
	"time"

	"loadline/internal/sli"
)

// with returns what looks up attributes of a span, given as key, value, …, and of its resource.
func with(span, resource []string) func(string, bool) (string, bool) {
	return func(name string, ofResource bool) (string, bool) {
		list := span
		if ofResource {
			list = resource
		}
		for i := 0; i < len(list); i += 2 {
			if list[i] == name {
				return list[i+1], true
			}
		}
		return "", false
	}
}

// checkout is a span of a server.
func checkout() sli.Span {
	return sli.Span{
		Env: "prod", Service: "checkout", Version: "1.2", Operation: "POST /v1/checkout", Name: "POST", Kind: 2, Status: 1,
		HTTPStatus: 200, Scope: "http", Duration: uint64(400 * time.Millisecond),
		Attribute: with([]string{"user.tier", "gold", "http.method", "POST", "empty", ""}, []string{"host.name", "a1", "user.tier", "none", "zone", "z"}),
	}
}

func TestEvents(t *testing.T) {
	f := func(want bool, i sli.Indicator, change func(*sli.Span)) {
		t.Helper()
		i.Service = "checkout"
		p, err := sli.Compile(i)
		if err != nil {
			t.Fatal(err)
		}
		s := checkout()
		if change != nil {
			change(&s)
		}
		if event, bad := p.Match(&s); event != want || bad {
			t.Errorf("%+v of %+v: event %v, bad %v", i, s, event, bad)
		}
	}
	kind := func(kind uint8, root bool) func(*sli.Span) { return func(s *sli.Span) { s.Kind, s.Root = kind, root } }
	f(true, sli.Indicator{}, nil)
	f(false, sli.Indicator{}, func(s *sli.Span) { s.Service = "other" })
	f(true, sli.Indicator{Env: "prod"}, nil)
	f(false, sli.Indicator{Env: "test"}, nil)
	f(true, sli.Indicator{Operations: []string{"GET *", "POST *"}}, nil)
	f(false, sli.Indicator{Operations: []string{"GET *"}}, nil)

	f(true, sli.Indicator{}, kind(5, false))
	f(false, sli.Indicator{}, kind(1, false))
	f(false, sli.Indicator{}, kind(3, false))
	f(true, sli.Indicator{}, kind(3, true))
	f(false, sli.Indicator{Kinds: []string{"server"}}, kind(3, true))
	f(true, sli.Indicator{Kinds: []string{"client", "internal"}}, kind(3, false))
	f(true, sli.Indicator{Kinds: []string{"client", "internal"}}, kind(0, false))
	f(false, sli.Indicator{Kinds: []string{"producer"}}, nil)

	m := func(want bool, key, op, value string) {
		t.Helper()
		f(want, sli.Indicator{Matchers: []sli.Matcher{{key, op, value}}}, nil)
	}
	m(true, "version", "=", "1.2")
	m(false, "version", "!=", "1.2")
	m(true, "service.version", "=~", `1\..`)
	m(false, "version", "=~", "1")
	m(true, "version", "!~", "1")
	m(true, "name", "=", "POST")
	m(true, "operation", "!~", "GET .*")
	m(true, "status", "=", "ok")
	m(false, "status", "=", "unset")
	m(true, "http.response.status_code", "=", "200")
	m(true, "http.status_code", "=", "2xx")
	m(false, "http.status_code", "!=", "2xx")
	m(true, "error.type", "=", "")
	m(true, "peer", "=", "")
	m(true, "peer.type", "!=", "queue")
	m(true, "scope", "=", "http")
	m(true, "user.tier", "=", "gold")
	m(true, "span.user.tier", "=", "gold")
	m(true, "resource.user.tier", "=", "none")
	m(true, "zone", "=", "z")
	m(false, "span.zone", "=", "z")
	m(true, "host.name", "=~", "a[0-9]")
	m(true, "http.request.method", "=", "POST")
	m(true, "missing", "=", "")
	m(true, "missing", "!=", "x")
	m(true, "missing", "!~", "x.*")
	m(true, "missing", "=~", ".*")
	m(false, "missing", "=~", ".+")
	m(true, "empty", "=", "")
	f(false, sli.Indicator{Matchers: []sli.Matcher{{"zone", "=", "z"}, {"zone", "!=", "z"}}}, nil)
	f(true, sli.Indicator{Matchers: []sli.Matcher{{"http.response.status_code", "=", ""}}}, func(s *sli.Span) { s.HTTPStatus = 0 })
}

func TestBadEvents(t *testing.T) {
	f := func(want bool, b sli.Bad, change func(*sli.Span)) {
		t.Helper()
		p, err := sli.Compile(sli.Indicator{Service: "checkout", Bad: b})
		if err != nil {
			t.Fatal(err)
		}
		s := checkout()
		change(&s)
		if event, bad := p.Match(&s); !event || bad != want {
			t.Errorf("%+v of %+v: event %v, bad %v", b, s, event, bad)
		}
		s.Kind = 3
		if event, bad := p.Match(&s); event || bad {
			t.Errorf("%+v of %+v: event %v, bad %v", b, s, event, bad)
		}
	}
	status := func(code uint16) func(*sli.Span) { return func(s *sli.Span) { s.HTTPStatus = code } }
	failed := func(s *sli.Span) { s.Failed = true }
	attributes := func(list ...string) func(*sli.Span) {
		return func(s *sli.Span) { s.Attribute = with(list, []string{"rpc.response.status_code", "UNAVAILABLE"}) }
	}
	f(false, sli.Bad{}, failed)
	f(true, sli.Bad{Errors: true}, failed)
	f(false, sli.Bad{Errors: true}, status(500)) // the column decides
	f(true, sli.Bad{HTTP: []string{"429", "5xx"}}, status(503))
	f(true, sli.Bad{HTTP: []string{"429", "5xx"}}, status(429))
	f(false, sli.Bad{HTTP: []string{"429", "5xx"}}, status(430))
	f(false, sli.Bad{HTTP: []string{"429", "5xx"}}, status(0))
	f(false, sli.Bad{Slower: 400 * time.Millisecond}, func(*sli.Span) {})
	f(true, sli.Bad{Slower: 400 * time.Millisecond}, func(s *sli.Span) { s.Duration++ })
	f(false, sli.Bad{}, func(s *sli.Span) { s.Duration = 1 << 63 })
	f(true, sli.Bad{Errors: true, Slower: time.Minute}, failed)

	codes := sli.Bad{GRPC: []string{"UNAVAILABLE", "INTERNAL"}}
	f(true, codes, attributes("rpc.grpc.status_code", "14"))
	f(true, codes, attributes("rpc.response.status_code", "INTERNAL"))
	f(false, codes, attributes("rpc.response.status_code", "OK", "rpc.grpc.status_code", "14"))
	f(false, codes, attributes("rpc.grpc.status_code", "4"))
	f(false, codes, attributes())
	f(false, codes, func(s *sli.Span) { s.Attribute = nil })

	both := sli.Bad{Matchers: []sli.Matcher{{"error.type", "!=", ""}, {"user.tier", "=", "gold"}}}
	f(false, both, func(*sli.Span) {})
	f(true, both, func(s *sli.Span) { s.ErrorType = "timeout" })
	f(false, both, func(s *sli.Span) { s.ErrorType, s.Attribute = "timeout", nil })
}

// Judge leaves the duration aside, and says what it has to do with it.
func TestJudge(t *testing.T) {
	p, err := sli.Compile(sli.Indicator{Service: "checkout", Bad: sli.Bad{Errors: true, Slower: 1}})
	if err != nil {
		t.Fatal(err)
	}
	s := checkout()
	if event, bad := p.Judge(&s); !event || bad {
		t.Errorf("slow: event %v, bad %v", event, bad)
	}
	s.Failed = true
	if event, bad := p.Judge(&s); !event || !bad {
		t.Errorf("failed: event %v, bad %v", event, bad)
	}
}

func TestGroup(t *testing.T) {
	f := func(key, want string, change func(*sli.Span)) {
		t.Helper()
		p, err := sli.Compile(sli.Indicator{Service: "checkout", GroupBy: key})
		if err != nil {
			t.Fatal(err)
		}
		s := checkout()
		change(&s)
		if got := p.Group(&s); got != want {
			t.Errorf("group by %q of %+v: %q, want %q", key, s, got, want)
		}
	}
	same := func(*sli.Span) {}
	f("", "", same)
	f("operation", "POST /v1/checkout", same)
	f("version", "1.2", same)
	f("status", "ok", same)
	f("user.tier", "gold", same)
	f("zone", "z", same)
	f("missing", "", same)
	long := func(n int) func(*sli.Span) { return func(s *sli.Span) { s.Version = strings.Repeat("v", n) } }
	f("version", strings.Repeat("v", sli.MaxGroupBytes), long(sli.MaxGroupBytes))
	f("version", "", long(sli.MaxGroupBytes+1))
}

func TestUses(t *testing.T) {
	p, err := sli.Compile(sli.Indicator{
		Service: "a", Operations: []string{"x"}, GroupBy: "version", Matchers: []sli.Matcher{{"tier", "=", "1"}, {"peer", "=", "2"}},
		Bad: sli.Bad{HTTP: []string{"500"}, GRPC: []string{"ABORTED"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for column, want := range map[string]bool{
		"operation": true, "version": true, "peer": true, "http.response.status_code": true, "name": false, "scope": false,
	} {
		if got := p.Uses(column); got != want {
			t.Errorf("uses %q: %v", column, got)
		}
	}
	if n := len(p.Tests()); n != 2 {
		t.Errorf("%d tests of attributes", n)
	}
	if _, ok := p.GroupKey(); ok {
		t.Error("groups of a column have a key")
	}
}
