package indicator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/sli"
	"loadline/query/querytest"
)

func TestTarget(t *testing.T) {
	f := func(bad, total, month float64, want string) {
		t.Helper()
		if got := Target(bad, total, month); got != want {
			t.Errorf("%v of %v, %v times a month: %q, want %q", bad, total, month, got, want)
		}
	}
	f(0, 1e6, 1, "99.99")
	f(75, 1e6, 1, "99.99")
	f(76, 1e6, 1, "99.95")
	f(375, 1e6, 1, "99.95")
	f(376, 1e6, 1, "99.9")
	f(751, 1e6, 1, "99.5")
	f(9000, 1e6, 1, "98")
	f(75_000, 1e6, 1, "90")
	f(75_001, 1e6, 1, "")
	f(0, 49_999, 1, "99.95")
	f(0, 5000, 1, "99.9")
	f(0, 5000, 30, "99.99")
	f(0, 100, 1, "95")
	f(0, 40, 1, "")
	f(0, 0, 1, "")
}

func TestRoundDuration(t *testing.T) {
	f := func(d, want time.Duration) {
		t.Helper()
		if got := RoundDuration(d); got != want {
			t.Errorf("%v: %v, want %v", d, got, want)
		}
	}
	f(0, time.Millisecond)
	f(time.Millisecond, time.Millisecond)
	f(time.Millisecond+1, 1500*time.Microsecond)
	f(83*time.Millisecond, 100*time.Millisecond)
	f(310*time.Millisecond, 400*time.Millisecond)
	f(400*time.Millisecond, 400*time.Millisecond)
	f(760*time.Millisecond, time.Second)
	f(8*time.Second, 10*time.Second)
	f(2*time.Minute, 150*time.Second)
}

func TestSuggest(t *testing.T) {
	db := querytest.New(t, querytest.Carts()...)
	from, to := querytest.Base, querytest.Base.Add(5*time.Minute)
	list, err := Suggest(t.Context(), db, from, to)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	cart := list[1]
	if cart.Service != "web" {
		cart = list[0]
	}
	if cart.Operation != "GET /cart" || cart.Env != "production" || cart.Requests != 300 || !querytest.Near(cart.Availability, 0.98) || cart.AvailabilityTarget != "95" {
		t.Errorf("availability: %+v", cart)
	}
	if !querytest.Within(cart.P50, 100*time.Millisecond, 0.045) || cart.Threshold != 150*time.Millisecond || !querytest.Near(cart.Fast, 0.99) || cart.LatencyTarget != "98" {
		t.Errorf("latency: %+v", cart)
	}
}

func TestOperations(t *testing.T) {
	spans := append(querytest.Shop(), querytest.Span{Service: "web", Operation: "POST /cart", HTTP: 500}, querytest.Span{Service: "web", Operation: "GET /help", Env: "staging"})
	db := querytest.New(t, spans...)
	f := func(ind sli.Indicator, want ...Operation) {
		t.Helper()
		got, err := Operations(t.Context(), db, ind, querytest.Base, querytest.Base.Add(time.Minute))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%+v: %v %s", ind, err, diff)
		}
	}
	cart, post, help := Operation{"GET /cart", 60, 6, false}, Operation{"POST /cart", 1, 1, false}, Operation{"GET /help", 1, 0, false}
	named := func(o Operation) Operation { o.Matches = true; return o }
	f(sli.Indicator{Service: "web"}, named(cart), named(help), named(post))
	f(sli.Indicator{Service: "web", Operations: []string{"POST *"}}, named(post), cart, help)
	f(sli.Indicator{Service: "web", Env: "production", Operations: []string{"none", "*/cart"}}, named(cart), named(post))
	f(sli.Indicator{Service: "web", Kinds: []string{"client"}}, Operation{"GET", 60, 0, true})
	f(sli.Indicator{Service: "nobody"})
}
