// Package doctor looks for what keeps a Loadline from working: on this machine, and in a running server by sending it a
// span and reading that back.
package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"loadline/cmd/loadline/config"
)

// Status is the verdict of a check.
type Status int

// OK needs nothing; Warn is worth knowing; Fail keeps something from working.
const (
	OK Status = iota
	Warn
	Fail
)

func (s Status) String() string { return [...]string{"✓", "!", "✗"}[s] }

// Check is one line of the report. A check that is not OK has a Fix.
type Check struct {
	Name   string
	Status Status
	Detail string
	Fix    string
}

func ok(name, format string, args ...any) Check {
	return Check{Name: name, Detail: fmt.Sprintf(format, args...)}
}

func warn(name, fix, format string, args ...any) Check {
	return Check{Name: name, Status: Warn, Detail: fmt.Sprintf(format, args...), Fix: fix}
}

func fail(name, fix, format string, args ...any) Check {
	return Check{Name: name, Status: Fail, Detail: fmt.Sprintf(format, args...), Fix: fix}
}

// Config says what to look at.
type Config struct {
	Settings config.Config
	// Endpoint is the URL of the server's pages. When it is empty the configured address is tried, and a server that
	// does not run is no failure.
	Endpoint string
	// RoundTrip bounds the wait for a span to become visible; 10 seconds by default.
	RoundTrip time.Duration
}

// patient is the client for a server that may be slow because something is wrong.
var patient = &http.Client{Timeout: 10 * time.Second}

// Run makes all checks, each as soon as the one before is done, and passes them to report.
func Run(ctx context.Context, cfg Config, report func(Check)) {
	if cfg.RoundTrip == 0 {
		cfg.RoundTrip = 10 * time.Second
	}
	remote := cfg.Endpoint != ""
	if !remote {
		cfg.Endpoint = "http://" + reachable(cfg.Settings.HTTP.Addr)
	}
	cfg.Endpoint = strings.TrimSuffix(cfg.Endpoint, "/")

	server, serverErr := ask(ctx, cfg.Endpoint)
	if !remote {
		report(library(cfg.Settings.Storage))
		report(directory(cfg.Settings))
		report(files())
		for _, c := range ports(ctx, cfg.Settings, serverErr == nil) {
			report(c)
		}
	}
	switch {
	case serverErr == nil:
	case remote:
		report(fail("server", "check the URL, and on that machine run `loadline doctor`", "%v", serverErr))
		return
	default:
		report(warn("server", "start `loadline serve` and run this again to check that telemetry arrives", "no Loadline answers at %s", cfg.Endpoint))
		return
	}
	report(ok("server", "Loadline %s at %s", server.version, cfg.Endpoint))
	for _, c := range server.components {
		report(c.check())
	}
	report(clock(server))
	for _, c := range roundTrips(ctx, cfg) {
		report(c)
	}
	report(retention(ctx, cfg, remote))
}

// Quick only asks the server at the configured address whether it is ready, as container health checks do.
func Quick(ctx context.Context, cfg Config) error {
	endpoint := cfg.Endpoint
	if endpoint == "" {
		endpoint = "http://" + reachable(cfg.Settings.HTTP.Addr)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(endpoint, "/")+"/-/ready", nil)
	if err != nil {
		return err
	}
	resp, err := patient.Do(req)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return fmt.Errorf("not ready: %s", strings.Join(strings.Fields(string(body)), " "))
	}
	return nil
}

// Print writes one check as a person reads it.
func Print(w io.Writer, c Check) {
	fmt.Fprintf(w, "%s %-15s %s\n", c.Status, c.Name, c.Detail)
	if c.Fix != "" {
		fmt.Fprintf(w, "  %-15s %s\n", "", "fix: "+c.Fix)
	}
}
