package blueprint

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// walk calls f for a step and those inside it.
func walk(steps []Step, f func(Step)) {
	for _, s := range steps {
		f(s)
		walk(s.Steps, f)
	}
}

func TestEveryStepLeadsSomewhere(t *testing.T) {
	services := map[string]*Service{}
	for _, s := range Services() {
		services[s.Name] = s
	}
	kinds := map[Op]string{Cache: "redis", SQL: "sql", Search: "search", Call: "client", External: "client", Publish: "kafka"}
	for _, s := range services {
		for _, e := range s.Endpoints {
			walk(e.Steps, func(step Step) {
				if kind := kinds[step.Op]; kind != "" && Scope(s.Lang, kind) == "" {
					t.Errorf("%s has no instrumentation of %s", s.Name, kind)
				}
				switch step.Op {
				case Call:
					if to := services[step.Target]; to == nil || to.Endpoint(step.Name) == nil {
						t.Errorf("%s calls %q of %q, which does not exist", s.Name, step.Name, step.Target)
					}
				case Publish:
					if services["orders-worker"].Endpoint("process "+step.Target) == nil {
						t.Errorf("nobody consumes topic %q", step.Target)
					}
				case SQL:
					if operation, _, ok := strings.Cut(step.Name, " "); !ok || !strings.HasPrefix(step.Text, operation+" ") {
						t.Errorf("summary %q does not fit statement %q", step.Name, step.Text)
					}
				}
			})
		}
	}
}

func TestReleasesReachBackBeforeHistory(t *testing.T) {
	for _, s := range Services() {
		if oldest := s.Releases[len(s.Releases)-1]; oldest.Age < 31*day {
			t.Errorf("%s has no release at the beginning of history: the oldest is %v old", s.Name, oldest.Age)
		}
		for i := 1; i < len(s.Releases); i++ {
			if s.Releases[i].Age <= s.Releases[i-1].Age {
				t.Errorf("releases of %s are not newest first", s.Name)
			}
		}
	}
}

func TestFill(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range Services() {
		for _, e := range s.Endpoints {
			if got := Fill(e.Route+"?"+e.Query, rng); strings.ContainsAny(got, "{} ") {
				t.Errorf("Fill(%q) = %q", e.Route+"?"+e.Query, got)
			}
		}
	}
	if got := Fill("catalog:home", rng); got != "catalog:home" {
		t.Errorf("Fill without placeholders = %q", got)
	}
}

func TestStackTracesNameTheFailure(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range Services() {
		kind, message, status := s.Breakdown(CanaryVersion, rng)
		if status < 500 || kind == "" || message == "" {
			t.Errorf("breakdown of %s: %q %q %d", s.Name, kind, message, status)
		}
		if trace := s.StackTrace(kind, message, "GET /v1/home"); !strings.Contains(trace, kind+": "+message) || strings.Count(trace, "\n") < 3 {
			t.Errorf("stack trace of %s: %q", s.Name, trace)
		}
	}
}

func TestIncidentsHaveSchedules(t *testing.T) {
	for _, name := range Incidents() {
		if !KnownIncident(name) {
			t.Errorf("incident %q is not known", name)
		}
		if name == "none" || name == "all" {
			continue
		}
		w := Schedule(name)
		if _, on := w.Since(0); !on {
			t.Errorf("incident %q is not under way when live traffic starts", name)
		}
		if _, on := w.Since(w.First - 1); on {
			t.Errorf("incident %q is under way before it begins", name)
		}
	}
}
