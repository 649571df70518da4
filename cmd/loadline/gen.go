package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/fault"
	"loadline/ingest/demo"
	"loadline/ingest/demo/generator"
)

func newGenCommand() *cobra.Command {
	var cfg demo.LoadConfig
	var name, output string
	cmd := &cobra.Command{
		Use:   "gen",
		Short: "Send generated telemetry to any OTLP receiver, to measure it",
		Long: "Send realistic spans, data points or log records to an OTLP receiver, at a fixed rate or as fast as it acknowledges,\n" +
			"and report what became of them. Latencies at a fixed rate count from when a request was due.",
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Endpoint, "endpoint", "127.0.0.1:4317", "receiver, as host:port or URL")
	f.StringVar(&cfg.Transport, "transport", demo.GRPC, "grpc or http")
	f.StringToStringVar(&cfg.Headers, "header", nil, "header of every request, as name=value; may be repeated")
	f.StringVar(&cfg.Compression, "compression", "none", "none, gzip or, over http, zstd")
	f.StringVar(&name, "signal", string(generator.Traces), "traces, metrics or logs")
	f.Float64Var(&cfg.SpansPerSecond, "rate", 0, "items a second; 0 is as fast as they are acknowledged")
	f.DurationVar(&cfg.Duration, "duration", time.Minute, "how long to send")
	f.IntVar(&cfg.TotalSpans, "total", 0, "stop after so many items; 0 leaves it to the duration")
	f.DurationVar(&cfg.Spread, "spread", 0, "date a total of items evenly over so long before now")
	f.IntVar(&cfg.Connections, "connections", 4, "connections, each with one request at a time")
	f.IntVar(&cfg.SpansPerRequest, "batch", 1000, "items a request")
	f.Uint64Var(&cfg.Seed, "seed", 1, "the same seed makes the same telemetry")
	f.StringVarP(&output, "output", "o", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if output != "text" && output != "json" {
			return &fault.Error{Code: fault.Usage, Err: fmt.Errorf("--output: cannot use %q", output), Hint: "want text or json"}
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		cfg.Signal = generator.Signal(name)
		report, err := demo.Load(ctx, cfg)
		if err != nil {
			return &fault.Error{Code: fault.Usage, Err: err, Hint: "`loadline gen --help` lists the flags with their units"}
		}
		if output == "json" {
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(report)
		} else {
			err = printLoad(cmd.OutOrStdout(), items[cfg.Signal], report)
		}
		if err == nil && report.Acked == 0 {
			return &fault.Error{
				Code: fault.Unreachable, Err: fmt.Errorf("%s acknowledged nothing: %s", cfg.Endpoint, report.LastRefusal),
				Hint: "`loadline doctor` checks a Loadline; another receiver has its own log",
			}
		}
		return err
	}
	return cmd
}

// items names what a signal counts.
var items = map[generator.Signal]string{generator.Traces: "spans", generator.Metrics: "data points", generator.Logs: "log records"}

// printLoad writes a report for people.
func printLoad(w io.Writer, items string, r demo.LoadReport) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s acknowledged in %s (%.0f/s, %.1f MiB)\n", r.Acked, items, r.Elapsed.Round(time.Millisecond),
		float64(r.Acked)/r.Elapsed.Seconds(), float64(r.Bytes)/(1<<20))
	fmt.Fprintf(&b, "acknowledged after %s (p50), %s (p99), %s (max)\n",
		r.P50.Round(10*time.Microsecond), r.P99.Round(10*time.Microsecond), r.Max.Round(10*time.Microsecond))
	fmt.Fprintf(&b, "rejected %d, failed %d, outcome unknown %d, retries %d\n", r.Rejected, r.Failed, r.Unknown, r.Retried)
	if r.LastRefusal != "" {
		fmt.Fprintf(&b, "last refusal: %s\n", r.LastRefusal)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
