// Command loadline is an observability server: OpenTelemetry comes in, ClickHouse keeps it, pages show requests, errors
// and latency with the traces behind them. This package wires the others together; each subcommand has its own file.
package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/fault"
	"loadline/cmd/loadline/slos"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program but for os.Exit. What a person or a script asked for goes to stdout, everything else to
// stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	// Cobra's own complaints about flags and arguments come before any command runs.
	running := false
	root.PersistentPreRun = func(*cobra.Command, []string) { running = true }

	err := root.ExecuteContext(ctx)
	if err == nil {
		return fault.OK
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		f = &fault.Error{Code: fault.Failed, Err: err}
		if !running {
			f = &fault.Error{Code: fault.Usage, Err: err, Hint: "`loadline --help` lists the commands, `loadline COMMAND --help` its flags"}
		}
	}
	f.Print(stderr)
	return f.Code
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "loadline",
		Short: "OpenTelemetry in, requests, errors and latency on a page",
		Long: "Loadline receives OpenTelemetry traces, metrics and logs and shows requests, errors and latency of your services,\n" +
			"with the traces behind them. Everything is stored in ClickHouse, embedded or your own.\n\n" +
			"Start with `loadline demo`, or `loadline serve` and an SDK pointed at it.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		newServeCommand(),
		newDemoCommand(),
		newEngineCommand(),
		newQueryCommand(),
		slos.NewCommand(),
		newGenCommand(),
		newDoctorCommand(),
		newConfigCommand(),
		newVersionCommand(),
	)
	return root
}
