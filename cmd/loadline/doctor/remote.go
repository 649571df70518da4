package doctor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// answer is what a running server says about itself.
type answer struct {
	version    string
	components []component
	skew       time.Duration // of its clock against ours
}

type component struct {
	Name    string `json:"name"`
	Status  string `json:"status"`
	Message string `json:"message"`
}

func (c component) check() Check {
	detail := c.Status
	if c.Message != "" {
		detail = c.Message
	}
	switch c.Status {
	case "ok":
		return ok(c.Name, "%s", detail)
	case "degraded":
		return warn(c.Name, "look at the server's log and at /-/ready", "%s", detail)
	}
	return fail(c.Name, "look at the server's log and at /-/ready", "%s", detail)
}

// ask fetches /version and /-/ready. Its error means that no Loadline answers there.
func ask(ctx context.Context, endpoint string) (answer, error) {
	var build struct {
		Version   string `json:"version"`
		GoVersion string `json:"go_version"`
	}
	if _, err := getJSON(ctx, endpoint+"/version", &build); err != nil {
		return answer{}, err
	}
	if build.GoVersion == "" {
		return answer{}, fmt.Errorf("what answers at %s is not a Loadline", endpoint)
	}
	var ready struct {
		Components []component `json:"components"`
	}
	before := time.Now()
	header, err := getJSON(ctx, endpoint+"/-/ready", &ready)
	if err != nil {
		return answer{}, err
	}
	a := answer{version: build.Version, components: ready.Components}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		// The header has whole seconds, so half of one is the expected difference.
		a.skew = date.Add(500 * time.Millisecond).Sub(before)
	}
	return a, nil
}

// getJSON decodes the answer of a GET, whatever its status, into v.
func getJSON(ctx context.Context, url string, v any) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := patient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(v); err != nil {
		return nil, fmt.Errorf("%s answers with status %d and no JSON: what runs there is not a Loadline", url, resp.StatusCode)
	}
	return resp.Header, nil
}

// maxSkew is how far clocks may differ before spans of different machines look out of order on a page.
const maxSkew = 2 * time.Second

func clock(server answer) Check {
	if server.skew.Abs() > maxSkew {
		return warn("clock", "synchronise both clocks, for instance with chrony", "the server's clock differs from this machine's by %s", server.skew.Round(time.Second))
	}
	return ok("clock", "the server's and this machine's agree within %s", maxSkew)
}

// roundTrips sends one span over each transport with OpenTelemetry's own client and reads it back from the trace page's
// data, timing how long that takes.
func roundTrips(ctx context.Context, cfg Config) []Check {
	grpc, http := reachable(cfg.Settings.OTLP.GRPCAddr), reachable(cfg.Settings.OTLP.HTTPAddr)
	if cfg.Settings.OTLP.TLS.CertFile != "" {
		const fix = "send a span from an application that has the certificates"
		return []Check{
			warn("OTLP/gRPC", fix, "%s speaks TLS; not tried", grpc),
			warn("OTLP/HTTP", fix, "%s speaks TLS; not tried", http),
		}
	}
	return []Check{
		roundTrip(ctx, cfg, "OTLP/gRPC", grpc, otlptracegrpc.NewClient(
			otlptracegrpc.WithEndpoint(grpc), otlptracegrpc.WithInsecure(), otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{}))),
		roundTrip(ctx, cfg, "OTLP/HTTP", http, otlptracehttp.NewClient(
			otlptracehttp.WithEndpoint(http), otlptracehttp.WithInsecure(), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))),
	}
}

func roundTrip(ctx context.Context, cfg Config, name, addr string, client otlptrace.Client) Check {
	ctx, cancel := context.WithTimeout(ctx, cfg.RoundTrip)
	defer cancel()
	traceID := make([]byte, 16)
	_, _ = rand.Read(traceID) // never fails, by its contract
	began := time.Now()
	if err := send(ctx, client, traceID); err != nil {
		return fail(name, "check that otlp.grpc.addr and otlp.http.addr are what the server listens on", "%s does not take a span: %v", addr, err)
	}
	acknowledged := time.Since(began)
	url := fmt.Sprintf("%s/traces/%s.json", cfg.Endpoint, hex.EncodeToString(traceID))
	if err := appears(ctx, url); err != nil {
		return fail(name, "look at the server's log: spans arrive and are not stored", "a span was acknowledged after %s and is not on the page after %s: %v",
			acknowledged.Round(time.Millisecond), cfg.RoundTrip, err)
	}
	return ok(name, "%s: acknowledged after %s, on the page after %s", addr,
		acknowledged.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

// send uploads one span of a service that says what it is.
func send(ctx context.Context, client otlptrace.Client, traceID []byte) error {
	if err := client.Start(ctx); err != nil {
		return err
	}
	now := uint64(time.Now().UnixNano())
	err := client.UploadTraces(ctx, []*tracepb.ResourceSpans{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{
			Key:   "service.name",
			Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: "loadline-doctor"}},
		}}},
		ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{{
			TraceId:           traceID,
			SpanId:            traceID[:8],
			Name:              "round trip",
			Kind:              tracepb.Span_SPAN_KIND_INTERNAL,
			StartTimeUnixNano: now - uint64(time.Millisecond),
			EndTimeUnixNano:   now,
		}}}},
	}})
	return errors.Join(err, client.Stop(ctx))
}

// appears polls a URL until it answers 200.
func appears(ctx context.Context, url string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := patient.Do(req)
		if err != nil {
			return err
		}
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		_ = resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusNotFound:
		default:
			return fmt.Errorf("%s answers with status %d: %s", url, resp.StatusCode, strings.TrimSpace(string(body)))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
