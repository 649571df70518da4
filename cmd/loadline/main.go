// Command loadline is an observability server: OpenTelemetry comes in, ClickHouse keeps it, pages show requests, errors
// and latency with the traces behind them. This package wires the others together; each subcommand has its own file.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
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
		return exitOK
	}
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{code: exitFailed, err: err}
		if !running {
			f = &fault{code: exitUsage, err: err, hint: "`loadline --help` lists the commands, `loadline COMMAND --help` its flags"}
		}
	}
	f.print(stderr)
	return f.code
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
		newGenCommand(),
		newDoctorCommand(),
		newConfigCommand(),
		newVersionCommand(),
	)
	return root
}

// Exit codes are documented in the README; scripts depend on them.
const (
	exitOK          = 0
	exitFailed      = 1 // a check found a problem, or an error of no other kind
	exitUsage       = 2
	exitConfig      = 3
	exitUnreachable = 4
	exitStorage     = 7
	exitInterrupted = 130
)

// fault is an error that ends the program: what is wrong, what to do about it, and the exit code. A quiet fault has
// been reported already.
type fault struct {
	code  int
	err   error
	hint  string
	quiet bool
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func (f *fault) print(w io.Writer) {
	if f.quiet {
		return
	}
	fmt.Fprintf(w, "error: %v\n", f.err)
	if f.hint != "" {
		fmt.Fprintf(w, "hint: %s\n", f.hint)
	}
}
