package blueprint

import (
	"slices"
	"time"
)

const (
	hour = time.Hour
	day  = 24 * hour
)

// Release is a version and how long before the start of live traffic it was rolled out.
type Release struct {
	Version string
	Age     time.Duration
}

// Releases that only an incident brings, and its times.
const (
	// NPlusOneVersion of checkout-api loads line items one by one.
	NPlusOneVersion = "2.14.0"
	// NPlusOneAge is how long before the start of live traffic that release began.
	NPlusOneAge = 12 * time.Minute
	// CanaryVersion of catalog-api fails on products.
	CanaryVersion = "5.4.0"
	// Rollout is how long a release takes to reach every pod.
	Rollout = 90 * time.Second
	// HomeTTL is the life of the key catalog:home, and HomeRebuild how long its stampede lasts.
	HomeTTL     = time.Minute
	HomeRebuild = 2200 * time.Millisecond
)

// Window is a stretch of time that comes back: it begins at an offset from the start of live traffic.
type Window struct{ First, Length, Every time.Duration }

// Since is how long ago the current stretch began, and whether there is one.
func (w Window) Since(elapsed time.Duration) (time.Duration, bool) {
	d := elapsed - w.First
	if d < 0 {
		return 0, false
	}
	d %= w.Every
	return d, d < w.Length
}

// Schedule says when an incident is under way. Each is when live traffic starts, so that the first page shows it.
func Schedule(name string) Window {
	switch name {
	case "n+1":
		return Window{-NPlusOneAge, 1000 * day, 1000 * day}
	case "stampede":
		return Window{-40 * time.Minute, 1000 * day, 1000 * day}
	case "slow":
		return Window{-50 * time.Minute, 8 * time.Minute, 25 * time.Minute}
	case "queue":
		return Window{-96 * time.Minute, 30 * time.Minute, 45 * time.Minute}
	case "deploy":
		return Window{-20 * time.Minute, 35 * time.Minute, 2 * hour}
	}
	panic("BUG: no schedule for incident " + name)
}

// Incidents lists the names that Config.Incident takes: n+1 (a release of checkout-api queries in a loop), stampede
// (catalog:home expires and everybody rebuilds it), slow (the payment provider), queue (the orders topic piles up),
// deploy (a canary of catalog-api fails), none, all.
func Incidents() []string {
	return []string{"n+1", "stampede", "slow", "queue", "deploy", "none", "all"}
}

// KnownIncident reports whether Incidents has a name.
func KnownIncident(name string) bool { return slices.Contains(Incidents(), name) }

// IncidentVersion is the release that only an incident brings.
func (s *Service) IncidentVersion() string {
	switch s.Name {
	case "checkout-api":
		return NPlusOneVersion
	case "catalog-api":
		return CanaryVersion
	}
	return ""
}
