package main

import (
	"fmt"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"loadline/internal/chdb"
	"loadline/internal/chdb/process"
)

// newEngineCommand runs the embedded ClickHouse alone, for any client that speaks ClickHouse's HTTP interface.
// `loadline serve` runs it too, as its child.
func newEngineCommand() *cobra.Command {
	var cfg process.Config
	var readOnly, readWrite bool
	cmd := &cobra.Command{
		Use:   "engine",
		Short: "Run the embedded ClickHouse alone, for ClickHouse HTTP clients",
		Long: `Run the embedded ClickHouse on a data directory and serve ClickHouse's HTTP interface, so that any client of it
(clickhouse-client's HTTP mode, Grafana, curl) can look at the data while "loadline serve" is stopped.

It asks for no password: it listens on a unix socket of its owner or on a loopback address only, and it refuses to change
anything unless --read-write is given.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if cfg.Socket == "" && cfg.Listen == "" {
				cfg.Listen = "127.0.0.1:8123"
			}
			cfg.Engine.ReadOnly = readOnly && !readWrite
			if !cfg.Supervised {
				cfg.Ready = func(version, address string) { fmt.Fprint(cmd.OutOrStdout(), engineGreeting(cfg, version, address)) }
			}
			return process.Run(ctx, cfg)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Engine.DataDir, "data-dir", "./loadline-data/engine", "directory of the data")
	flags.StringVar(&cfg.Socket, "socket", "", "unix socket to listen on")
	flags.StringVar(&cfg.Listen, "listen", "", "loopback address to listen on (default 127.0.0.1:8123 without --socket)")
	flags.StringVar(&cfg.Engine.Library, "libchdb", "", "path of libchdb (default: $"+chdb.EnvLibrary+", next to this program, ./.cache/libchdb, /usr/lib/loadline, /usr/local/lib)")
	flags.StringVar(&cfg.Engine.Database, "database", "loadline", "database of requests that name none")
	flags.Int64Var(&cfg.Engine.MaxMemory, "max-memory", 0, "memory of the engine in bytes (default: a quarter of the machine's, at most 4 GiB)")
	flags.IntVar(&cfg.Engine.Threads, "threads", 0, "threads of a query and of merges (default: one per CPU)")
	flags.IntVar(&cfg.Engine.Connections, "connections", 0, "queries that run at once (default 6)")
	flags.BoolVar(&readWrite, "read-write", false, "allow statements that change data, read files or open connections; the same as --read-only=false")
	flags.BoolVar(&readOnly, "read-only", true, "refuse everything but queries on tables")
	flags.BoolVar(&cfg.Supervised, "supervised", false, "run as the child of loadline serve")
	cmd.MarkFlagsMutuallyExclusive("socket", "listen")
	cmd.MarkFlagsMutuallyExclusive("read-only", "read-write")
	_ = flags.MarkHidden("supervised")
	return cmd
}

// engineGreeting tells a person how to connect.
func engineGreeting(cfg process.Config, version, address string) string {
	mode := "read-only; --read-write allows changes"
	if !cfg.Engine.ReadOnly {
		mode = "read-write"
	}
	s := fmt.Sprintf("ClickHouse %s on %s (%s)\n", version, cfg.Engine.DataDir, mode)
	if cfg.Socket != "" {
		return s + fmt.Sprintf("  curl --unix-socket %s 'http://localhost/' --data-binary 'SHOW TABLES FORMAT PrettyCompact'\n", address)
	}
	return s + fmt.Sprintf("  curl 'http://%s/' --data-binary 'SHOW TABLES FORMAT PrettyCompact'\n  DSN for clickhouse-go: http://%s/%s\n",
		address, address, cfg.Engine.Database)
}
