package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/config"
	"loadline/cmd/loadline/fault"
	"loadline/cmd/loadline/server"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server: receive OpenTelemetry over gRPC and HTTP, keep it in ClickHouse, show it on pages.\n\n" +
			"Every flag is also a key of the configuration file and an environment variable: --http.addr is http.addr there and\n" +
			"LOADLINE_HTTP_ADDR here. A flag wins over the environment, the environment over the file.",
		Args: cobra.NoArgs,
	}
	flags := config.AddFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(flags, nil, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		return serve(cmd.Context(), cfg, cmd.OutOrStdout(), newLogger(cmd.ErrOrStderr(), cfg.Log), nil)
	}
	return cmd
}

// softMemoryLimit is where the garbage collector begins to work harder, not where memory ends. What is live is bounded
// elsewhere: by the limits of the receivers, the size of a block and the caches.
const softMemoryLimit = 384 << 20

// serve runs a server until SIGINT, SIGTERM or the end of ctx. A second signal ends the process at once. beside, if not
// nil, runs along with the server once that answers, until its context is done; it gets the server for its addresses.
func serve(ctx context.Context, cfg config.Config, out io.Writer, log *slog.Logger, beside func(context.Context, *server.Server)) error {
	slog.SetDefault(log)
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemoryLimit)
	}
	ctx, forget := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer forget()
	context.AfterFunc(ctx, forget)

	s, err := server.Open(ctx, cfg, log)
	if err != nil {
		if ctx.Err() != nil {
			return &fault.Error{Code: fault.Interrupted, Err: context.Cause(ctx), Quiet: true}
		}
		return err
	}
	besideDone := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err = s.Run(ctx, func() {
		s.Greet(out)
		if err := notify("READY=1"); err != nil {
			log.Warn("systemd was not told", "error", err)
		}
		context.AfterFunc(ctx, func() { _ = notify("STOPPING=1") })
		go func() {
			defer close(besideDone)
			if beside != nil {
				beside(ctx, s)
			}
		}()
	})
	cancel()
	<-besideDone
	return err
}
