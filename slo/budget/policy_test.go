package budget

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// written is a policy's tiers on one line.
func written(tiers []Tier) string {
	var texts []string
	for _, t := range tiers {
		text := fmt.Sprintf("%s %v/%v %v", t.Severity, t.Long, t.Short, t.Burn)
		if t.For > 0 {
			text += fmt.Sprintf(" for %v", t.For)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

func TestPresets(t *testing.T) {
	f := func(name string, period time.Duration, want string) {
		t.Helper()
		window := Window{Length: period}
		p, ok := Preset(name, window)
		if got := written(p.Tiers); !ok || got != want {
			t.Errorf("%s over %v:\n got %s\nwant %s", name, period, got, want)
		}
		if err := p.Validate(window); err != nil {
			t.Errorf("%s over %v: %v", name, period, err)
		}
	}
	f("default", 30*Day, "page 1h0m0s/5m0s 14.4, page 6h0m0s/30m0s 6, ticket 24h0m0s/2h0m0s 3, ticket 72h0m0s/6h0m0s 1")
	f("default", 28*Day, "page 1h0m0s/5m0s 13.44, page 6h0m0s/30m0s 5.6, ticket 24h0m0s/2h0m0s 2.8, ticket 72h0m0s/6h0m0s 0.9333")
	f("default", 31*Day, "page 1h0m0s/5m0s 14.88, page 6h0m0s/30m0s 6.2, ticket 24h0m0s/2h0m0s 3.1, ticket 72h0m0s/6h0m0s 1.0333")
	f("default", 7*Day, "page 14m0s/1m10s 14.4, page 1h24m0s/7m0s 6, ticket 5h36m0s/28m0s 3, ticket 16h48m0s/1h24m0s 1")
	f("default", 90*Day, "page 1h0m0s/5m0s 14.4, page 6h0m0s/30m0s 6, ticket 72h0m0s/6h0m0s 3, ticket 216h0m0s/18h0m0s 1")
	f("default", Day, "page 2m0s/1m0s 14.4, page 12m0s/1m0s 6, ticket 48m0s/4m0s 3, ticket 2h24m0s/12m0s 1")
	f("default", time.Hour, "page 2m0s/1m0s 14.4, page 2m0s/1m0s 6, ticket 2m0s/1m0s 3, ticket 6m0s/1m0s 1")
	f("default", 366*Day, "page 1h0m0s/5m0s 14.4, page 6h0m0s/30m0s 6, ticket 292h48m0s/24h24m0s 3, ticket 878h24m0s/73h12m0s 1")
	f("page", 30*Day, "page 1h0m0s/5m0s 14.4, page 6h0m0s/30m0s 6")
	f("ticket", 30*Day, "ticket 24h0m0s/2h0m0s 3, ticket 72h0m0s/6h0m0s 1")
	f("none", 30*Day, "")
	f("sloth", 30*Day, "page 1h0m0s/5m0s 14.4, page 6h0m0s/30m0s 6, ticket 24h0m0s/2h0m0s 3, ticket 72h0m0s/6h0m0s 1")
	f("sloth", 7*Day, "page 1h0m0s/5m0s 13.44, page 6h0m0s/30m0s 3.5, ticket 24h0m0s/2h0m0s 1.4, ticket 72h0m0s/6h0m0s 0.98")
	f("sloth", 90*Day, "page 1h0m0s/5m0s 43.2, page 6h0m0s/30m0s 18, ticket 24h0m0s/2h0m0s 9, ticket 72h0m0s/6h0m0s 3")
	f("pyrra", 28*Day, "page 1h0m0s/5m0s 14 for 2m0s, page 6h0m0s/30m0s 7 for 15m0s, ticket 24h0m0s/2h0m0s 2 for 1h0m0s, ticket 96h0m0s/6h0m0s 1 for 3h0m0s")
	f("pyrra", 30*Day, "page 1h4m0s/5m0s 14 for 2m0s, page 6h26m0s/32m0s 7 for 16m0s, ticket 25h43m0s/2h9m0s 2 for 1h4m0s, ticket 102h51m0s/6h26m0s 1 for 3h13m0s")
	if p, ok := Preset("loud", Window{Length: 30 * Day}); ok {
		t.Errorf("preset loud is %+v", p)
	}
	for _, name := range Presets() {
		if _, ok := Preset(name, Window{Length: 30 * Day}); !ok {
			t.Errorf("preset %q is listed and not known", name)
		}
	}
	if p := DefaultPolicy(Window{Length: 30 * Day}); !p.Guard || !p.Clamp || !p.HoldNoData || p.KeepFiring != 5*time.Minute || p.For != 0 {
		t.Errorf("default policy %+v", p)
	}
}

// TestPresetsOfAnyWindow validates the default policy of every window.
func TestPresetsOfAnyWindow(t *testing.T) {
	for period := MinWindow; period <= MaxWindow; period += 7*time.Hour + 10*time.Second {
		for _, name := range []string{"default", "pyrra"} {
			window := Window{Length: period}
			p, _ := Preset(name, window)
			if err := p.Validate(window); err != nil {
				t.Errorf("%s over %v: %v", name, period, err)
			}
		}
	}
}

func TestPolicyValidate(t *testing.T) {
	tier := Tier{Name: "fast", Severity: Page, Long: time.Hour, Short: 5 * time.Minute, Burn: ratio(t, "14.4")}
	f := func(change func(*Policy), want ...string) {
		t.Helper()
		p := Policy{Tiers: []Tier{tier}}
		change(&p)
		err := p.Validate(Window{Length: 7 * Day})
		if (err == nil) != (len(want) == 0) {
			t.Errorf("%+v: got %v, want %q", p, err, want)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%+v: got %v, want %q", p, err, w)
			}
		}
	}
	f(func(*Policy) {})
	f(func(p *Policy) { *p = Policy{} })
	f(func(p *Policy) { p.Tiers[0].Short = time.Hour })
	f(func(p *Policy) { p.Tiers[0].Name = "" }, "name is empty")
	f(func(p *Policy) { p.Tiers[0].Name = "no-data" }, "choose another one")
	f(func(p *Policy) { p.Tiers[0].Name = "budget-50" }, "choose another one")
	f(func(p *Policy) { p.Tiers[0].Severity = "loud" }, `tier "fast": severity "loud" is neither page nor ticket`)
	f(func(p *Policy) { p.Tiers[0].Short = 15 * time.Second }, "not multiples of 10 s")
	f(func(p *Policy) { p.Tiers[0].Short = 0 }, "not multiples of 10 s")
	f(func(p *Policy) { p.Tiers[0].Short = 2 * time.Hour }, "longer than the long one, 1 h")
	f(func(p *Policy) { p.Tiers[0].Long = 8 * Day }, "window 8 days is longer than the objective's, 7 days")
	f(func(p *Policy) { p.Tiers[0].Burn = Ratio{} }, "burn rate 0 is not above 0")
	f(func(p *Policy) { p.Tiers[0].Burn = Ratio{10_001, 1} }, "at most 10000")
	f(func(p *Policy) { p.Tiers[0].Burn = Ratio{1, 3} }, "more than six decimals")
	f(func(p *Policy) { p.Tiers[0].For = -1 }, "waits less than nothing")
	f(func(p *Policy) { p.For = 49 * time.Hour }, "longer than two days")
	f(func(p *Policy) { p.KeepFiring = -time.Second }, "less than nothing")
	f(func(p *Policy) { p.Mode = 7 }, "mode 7 is not known")
	f(func(p *Policy) { p.NoDataAlert = "phone" }, `"phone" is neither page nor ticket`)
	f(func(p *Policy) { p.Tiers = append(p.Tiers, tier); p.NoDataAlert = "x" }, `tier "fast" is there twice`, "neither page nor ticket")
	f(func(p *Policy) {
		p.Tiers = nil
		for i := range 9 {
			u := tier
			u.Name = fmt.Sprint(i)
			p.Tiers = append(p.Tiers, u)
		}
	}, "9 tiers, more than 8")
}
