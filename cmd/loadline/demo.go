package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/config"
	"loadline/cmd/loadline/fault"
	"loadline/cmd/loadline/server"
	"loadline/ingest/demo"
)

// demoOptions are the flags of demo that serve does not have.
type demoOptions struct {
	shop    demo.Config
	history string
	dataDir string
	keep    bool
	noOpen  bool
}

func newDemoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the server with the traffic of a small web shop",
		Long: "Run the server on a temporary directory and send it, over OTLP like any application, the telemetry of a web shop: its\n" +
			"past month in sparse traces, and live traffic with incidents. Ctrl-C ends it and removes the data.\n\n" +
			"It takes the flags of serve too. A configured storage.path or storage.dsn is not used, so that demo data stays out of it.",
		Args: cobra.NoArgs,
	}
	flags := config.AddFlags(cmd.Flags())
	f := cmd.Flags()
	f.Float64Var(&o.shop.Rate, "rate", 100, "requests a second at the shop's edge, on average over a week")
	f.IntVar(&o.shop.Services, "services", 7, "how many of the shop's services there are")
	f.StringVar(&o.shop.Incident, "incident", "", "only this incident: "+strings.Join(demo.Incidents(), ", ")+" (default: all)")
	f.Uint64Var(&o.shop.Seed, "seed", 42, "the same seed plays the same shop")
	f.Float64Var(&o.shop.Speed, "speed", 1, "how fast the schedule of incidents passes")
	f.StringVar(&o.history, "history", "30d", "how much past to make up; 0 for none")
	f.StringVar(&o.dataDir, "data-dir", "", "keep the data here, and go on with what is there")
	f.BoolVar(&o.keep, "keep", false, "keep the temporary directory")
	f.BoolVar(&o.noOpen, "no-open", false, "do not open a browser, which is done only from a terminal")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(flags, nil, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		return runDemo(cmd.Context(), cfg, o, cmd.OutOrStdout(), newLogger(cmd.ErrOrStderr(), cfg.Log))
	}
	return cmd
}

// parse checks the flags before anything is started.
func (o *demoOptions) parse() (err error) {
	if o.shop.History, err = config.ParseDuration(o.history); err != nil {
		return fmt.Errorf("--history: cannot use %q: %w", o.history, err)
	}
	switch {
	case o.shop.History > maxHistory:
		return fmt.Errorf("--history: cannot use %q: want at most 30d", o.history)
	case o.shop.Incident != "" && !slices.Contains(demo.Incidents(), o.shop.Incident):
		return fmt.Errorf("--incident: cannot use %q: want one of %s", o.shop.Incident, strings.Join(demo.Incidents(), ", "))
	case o.shop.Services < 1 || o.shop.Services > 7:
		return fmt.Errorf("--services: cannot use %d: want 1 to 7", o.shop.Services)
	case o.shop.Rate <= 0:
		return fmt.Errorf("--rate: cannot use %v: want a number above 0", o.shop.Rate)
	case o.shop.Speed <= 0:
		return fmt.Errorf("--speed: cannot use %v: want a number above 0", o.shop.Speed)
	}
	return nil
}

// maxHistory is how far back the shop remembers. The write path refuses what is older than 31 days.
const maxHistory = 30 * 24 * time.Hour

func runDemo(ctx context.Context, cfg config.Config, o demoOptions, out io.Writer, log *slog.Logger) (err error) {
	if err := o.parse(); err != nil {
		return &fault.Error{Code: fault.Usage, Err: err, Hint: "`loadline demo --help` lists the flags with their values"}
	}
	cfg.Storage.DSN, cfg.Storage.Path = "", o.dataDir
	if o.dataDir == "" {
		if cfg.Storage.Path, err = os.MkdirTemp("", "loadline-demo-"); err != nil {
			return &fault.Error{Code: fault.Storage, Err: err, Hint: "choose a directory with --data-dir"}
		}
		if !o.keep {
			defer func() { err = errors.Join(err, os.RemoveAll(cfg.Storage.Path)) }()
		}
	}
	// What is there already has its past.
	if _, statErr := os.Stat(filepath.Join(cfg.Storage.Path, "engine")); statErr == nil {
		o.shop.History = 0
	}
	return serve(ctx, cfg, out, log, func(ctx context.Context, s *server.Server) {
		fmt.Fprintf(out, "  demo         a shop of %d services; Ctrl-C ends it", o.shop.Services)
		if o.keep || o.dataDir != "" {
			fmt.Fprintf(out, " and keeps %s\n", cfg.Storage.Path)
		} else {
			fmt.Fprintln(out, " and removes its data")
		}
		if !o.noOpen && isTerminal(out) {
			openBrowser(ctx, s.URL())
		}
		o.shop.Endpoint = s.GRPCAddr()
		playShop(ctx, o.shop, s.Define, log.With("component", "demo"))
	})
}

// playShop makes up the past and plays the present at the same time, so that the page has both soon.
func playShop(ctx context.Context, shop demo.Config, define func(ctx context.Context, author, text string) error, log *slog.Logger) {
	shop.Start = time.Now()
	shop.Failed = func(err error) { log.Warn("telemetry of the shop is not taken", "error", err) }
	var both sync.WaitGroup
	if shop.History > 0 {
		both.Go(func() {
			var done demo.Progress
			err := demo.Backfill(ctx, shop, func(p demo.Progress) { done = p })
			if ctx.Err() != nil {
				return
			}
			attrs := []any{"reached", done.Reached, "spans", done.Spans, "rejected", done.Rejected, "took", time.Since(shop.Start).Round(time.Millisecond).String()}
			if err != nil {
				log.Error("the shop's past is incomplete", append(attrs, "error", err)...)
				return
			}
			log.Info("the shop's past is complete", attrs...)
			promise(ctx, define, log)
		})
	} else {
		promise(ctx, define, log)
	}
	both.Go(func() {
		if err := demo.Run(ctx, shop); err != nil {
			log.Error("the shop is closed", "error", err)
		}
	})
	both.Wait()
}

// promises are the SLOs of the shop.
//
//go:embed demo.yaml
var promises string

// promise puts the shop's SLOs in force.
func promise(ctx context.Context, define func(ctx context.Context, author, text string) error, log *slog.Logger) {
	if err := define(ctx, "demo", promises); err != nil && ctx.Err() == nil {
		log.Error("the shop promises nothing", "error", err)
	}
}

// openBrowser shows a page to the person at the terminal, if the system knows how. A failure is not worth a word: the
// address has been printed.
func openBrowser(ctx context.Context, url string) {
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	// The browser may be a child of the opener and has to outlive the demo.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), opener, url)
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }()
	}
}
