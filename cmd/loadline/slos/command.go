package slos

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/fault"
	"loadline/cmd/loadline/slos/output"
)

// session is one run of a command: whom it asks, and where it prints.
type session struct {
	client
	format         string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// NewCommand returns the command slo with its subcommands.
func NewCommand() *cobra.Command {
	s := &session{}
	cmd := &cobra.Command{
		Use:   "slo",
		Short: "Service level objectives: define, try out, and see how they do",
		Long: "Ask a running server about service level objectives and change them.\n\n" +
			"Definitions are YAML: Loadline's short form, OpenSLO v1, or the files of Sloth and Pyrra. Times are RFC 3339, Unix\n" +
			"seconds, or so long ago: -7d.",
	}
	f := cmd.PersistentFlags()
	f.StringVar(&s.url, "url", "http://127.0.0.1:8080", "URL of the server")
	f.StringVar(&s.author, "author", os.Getenv("USER"), "who makes a change, for its history")
	for _, sub := range []*cobra.Command{
		s.listCommand(), s.getCommand(), s.applyCommand(), s.deleteCommand(), s.exportCommand(), s.checkCommand(),
		s.backtestCommand(), s.historyCommand(), s.eventsCommand(), s.correctCommand(), s.lintCommand(),
	} {
		cmd.AddCommand(sub)
	}
	return cmd
}

// outputs adds the flag --output to a command. The first format is the default.
func (s *session) outputs(cmd *cobra.Command, formats ...string) {
	cmd.Flags().StringVarP(&s.format, "output", "o", formats[0], strings.Join(formats[:len(formats)-1], ", ")+" or "+formats[len(formats)-1])
	s.wrap(cmd, formats)
}

// wrap gives a command a context that ends with a signal, and checks its format.
func (s *session) wrap(cmd *cobra.Command, formats []string) {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		cmd.SetContext(ctx)
		s.stdin, s.stdout, s.stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		if len(formats) > 0 && !slices.Contains(formats, s.format) {
			return usage("--output: cannot use %q: want %s", s.format, strings.Join(formats, ", "))
		}
		return run(cmd, args)
	}
}

// usage is the error for flags that cannot be used.
func usage(format string, args ...any) error {
	return &fault.Error{Code: fault.Usage, Err: fmt.Errorf(format, args...), Hint: "`loadline slo COMMAND --help` lists the flags with their values"}
}

// fetch asks, and tells on stderr what the server warns of.
func (s *session) fetch(ctx context.Context, r request, into any) error {
	warnings, err := s.ask(ctx, r, into)
	for _, w := range warnings {
		fmt.Fprintf(s.stderr, "warning: %s\n", w)
	}
	return err
}

// print writes an answer in the chosen format. view makes a table of it.
func (s *session) print(v any, view func() *output.Rows) error {
	var text string
	var err error
	switch s.format {
	case output.Table:
		text = view().String()
	case output.CSV:
		text, err = view().CSV()
	default:
		text, err = output.Encode(v, s.format)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(s.stdout, text)
	return err
}

func (s *session) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.stdout, format+"\n", args...)
	return err
}
