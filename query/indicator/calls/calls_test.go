package calls

import (
	"testing"

	"loadline/query/trace"
)

func TestBlame(t *testing.T) {
	e := Event{Start: 100, End: 200}
	f := func(name string, slow bool, want string, calls ...Call) {
		t.Helper()
		if got := Blame(e, calls, slow); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f("no calls", true, None)
	f("a fast one", true, None, Call{peer: "a", start: 110, end: 120})
	f("a slow one", true, "a", Call{peer: "a", start: 110, end: 160})
	f("a slow one of errors", false, None, Call{peer: "a", start: 110, end: 190})
	f("the inner one of slow ones", true, "b", Call{peer: "a", start: 110, end: 190}, Call{peer: "b", start: 111, end: 180}, Call{peer: "c", start: 150, end: 160})
	f("failed before slow", true, "c", Call{peer: "c", start: 101, end: 102, failed: true}, Call{peer: "a", start: 110, end: 190})
	f("slow before failed", true, "c", Call{peer: "a", start: 110, end: 190}, Call{peer: "c", start: 101, end: 102, failed: true})
	f("the last to fail", false, "b", Call{peer: "a", start: 110, end: 190, failed: true}, Call{peer: "b", start: 120, end: 130, failed: true})
	f("before and after", false, None, Call{peer: "a", start: 99, end: 190, failed: true}, Call{peer: "b", start: 201, end: 230, failed: true})
	f("a parent is no call", false, None, Call{start: 110, end: 190, failed: true})
}

func TestClient(t *testing.T) {
	e := Event{Parent: trace.SpanID{7}, Agent: "curl/8.0"}
	f := func(name, want string, calls ...Call) {
		t.Helper()
		if got := Client(e, calls, "checkout"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f("only an agent", "curl")
	f("a parent", "web", Call{span: trace.SpanID{7}, service: "web"})
	f("others", "curl", Call{span: trace.SpanID{8}, service: "web"}, Call{span: trace.SpanID{7}, service: "checkout"})
	e.Agent = ""
	f("nothing", "")
}

func TestAgentFamily(t *testing.T) {
	f := func(agent, want string) {
		t.Helper()
		if got := agentFamily(agent); got != want {
			t.Errorf("%s: %q, want %q", agent, got, want)
		}
	}
	f("", "")
	f("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox")
	f("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36", "Chrome")
	f("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0", "Edge")
	f("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1", "Safari")
	f("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot")
	f("python-requests/2.31.0", "python-requests")
	f("okhttp/4.12.0", "okhttp")
	f("MyApp 1.2 (iOS)", "MyApp")
}
