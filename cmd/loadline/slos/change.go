package slos

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/fault"
	"loadline/cmd/loadline/slos/output"
	"loadline/cmd/loadline/slos/sources"
	"loadline/slo/registry"
	"loadline/slo/spec"
	"loadline/slo/spec/definition"
	"loadline/web/sloapi/wire"
)

func (s *session) applyCommand() *cobra.Command {
	var files []string
	var dry, create, diff bool
	var revision uint64
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Put definitions in force, all of them or none",
		Long: "Put the definitions of files in force: all of them, or, if anything is wrong with one, none. What is in force and not\n" +
			"in the files stays as it is.",
		Example: "  loadline slo apply -f slos/ --dry-run\n" +
			"  loadline slo export checkout | sed 's/99.9%/99.95%/' | loadline slo apply -f -",
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringArrayVarP(&files, "file", "f", nil, "YAML file, directory of them, or - for stdin; may be repeated")
	f.BoolVar(&dry, "dry-run", false, "only show what would change")
	f.BoolVar(&diff, "diff", false, "show the lines that change")
	f.BoolVar(&create, "create", false, "refuse to change what there is")
	f.Uint64Var(&revision, "revision", 0, "refuse if what there is has another revision than this")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		src, err := s.sources(files)
		if err != nil {
			return err
		}
		q := url.Values{}
		for key, on := range map[string]bool{"dry_run": dry, "create": create} {
			if on {
				q.Set(key, "true")
			}
		}
		var a wire.Applied
		r := request{method: http.MethodPost, query: q, body: src.String(), match: revision, files: src}
		if err := s.fetch(cmd.Context(), r, &a); err != nil {
			return err
		}
		if len(a.Problems) > 0 {
			fmt.Fprintln(s.stderr, problems(src.Place(a.Problems)))
		}
		return s.applied(&a, dry, dry || diff)
	}
	s.outputs(cmd, output.Table, output.JSON, output.YAML)
	return cmd
}

func (s *session) sources(files []string) (*sources.Files, error) {
	if len(files) == 0 {
		return nil, usage("-f is missing: want a YAML file, a directory of them, or - for stdin")
	}
	src, err := sources.Read(s.stdin, files)
	if err != nil {
		return nil, &fault.Error{Code: fault.Usage, Err: err}
	}
	return src, nil
}

// applied tells what a change did, or would do.
func (s *session) applied(a *wire.Applied, dry, diff bool) error {
	if s.format != output.Table {
		return s.print(a, nil)
	}
	var b strings.Builder
	for _, o := range a.Objects {
		would := ""
		if dry && o.Action != "unchanged" {
			would = "would be "
		}
		fmt.Fprintf(&b, "%s %s %s%s\n", o.Kind, output.Printable(o.Name), would, o.Action)
		if diff {
			b.WriteString(changed(o.Diff))
		}
	}
	for _, p := range a.Promises {
		fmt.Fprintf(&b, "promises: %s\n", output.Printable(p))
	}
	_, err := io.WriteString(s.stdout, b.String())
	return err
}

// around is how many lines around a change are shown.
const around = 2

// changed are the lines of a difference that changed, and those next to them.
func changed(lines []registry.Line) string {
	near := make([]bool, len(lines))
	for i, l := range lines {
		if strings.TrimSpace(l.Op) == "" {
			continue
		}
		for j := max(0, i-around); j < min(len(lines), i+around+1); j++ {
			near[j] = true
		}
	}
	var b strings.Builder
	for i, l := range lines {
		switch {
		case near[i]:
			fmt.Fprintf(&b, "  %s %s\n", l.Op, output.Printable(l.Text))
		case i > 0 && near[i-1]:
			b.WriteString("  …\n")
		}
	}
	return b.String()
}

func (s *session) deleteCommand() *cobra.Command {
	var dry bool
	var revision uint64
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Take an SLO out of force; its history stays",
		Args:  cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only check")
	cmd.Flags().Uint64Var(&revision, "revision", 0, "refuse if it has another revision than this")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r := request{method: http.MethodDelete, path: args[:1], match: revision}
		if dry {
			r.query = url.Values{"dry_run": {"true"}}
		}
		var a wire.Applied
		if err := s.fetch(cmd.Context(), r, &a); err != nil {
			return err
		}
		return s.applied(&a, dry, false)
	}
	s.outputs(cmd, output.Table, output.JSON, output.YAML)
	return cmd
}

func (s *session) correctCommand() *cobra.Command {
	var c wire.Correct
	var withdraw uint64
	cmd := &cobra.Command{
		Use:   "correct NAME",
		Short: "Take a stretch of time out of an SLO, or list what was taken out",
		Example: "  loadline slo correct checkout --from 2026-03-01T08:00:00Z --to 2026-03-01T08:30:00Z --reason 'database moved'\n" +
			"  loadline slo correct checkout\n" +
			"  loadline slo correct checkout --withdraw 7290582357482",
		Args: cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&c.From, "from", "", "beginning of the time that is not to count")
	f.StringVar(&c.To, "to", "", "its end")
	f.StringVar(&c.Reason, "reason", "", "why it does not count")
	f.Uint64Var(&withdraw, "withdraw", 0, "number of a correction whose time is to count again")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path := []string{args[0], "corrections"}
		switch {
		case withdraw != 0:
			var nothing struct{}
			if err := s.fetch(cmd.Context(), request{method: http.MethodDelete, path: append(path, fmt.Sprint(withdraw))}, &nothing); err != nil {
				return err
			}
			return s.say("correction %d is withdrawn: its time counts again", withdraw)
		case c != wire.Correct{}:
			return s.correct(cmd, path, c)
		}
		var list []wire.Correction
		if err := s.fetch(cmd.Context(), request{path: path}, &list); err != nil {
			return err
		}
		return s.print(list, func() *output.Rows { return corrections(list) })
	}
	s.outputs(cmd, output.Table, output.JSON, output.YAML, output.CSV)
	return cmd
}

func (s *session) correct(cmd *cobra.Command, path []string, c wire.Correct) error {
	if c.From == "" || c.To == "" || strings.TrimSpace(c.Reason) == "" {
		return usage("a correction needs --from, --to and --reason")
	}
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	var made wire.Correction
	if err := s.fetch(cmd.Context(), request{method: http.MethodPost, path: path, body: string(body)}, &made); err != nil {
		return err
	}
	return s.print(made, func() *output.Rows { return corrections([]wire.Correction{made}) })
}

// corrections has a row for each correction.
func corrections(list []wire.Correction) *output.Rows {
	t := output.New("NUMBER", "FROM", "TO", "REASON", "AUTHOR", "AT", "STATE")
	for _, c := range list {
		state := "out"
		if c.Withdrawn {
			state = "withdrawn"
		}
		t.Add(fmt.Sprint(c.ID), clock(c.From), clock(c.To), c.Reason, c.Author, clock(c.At), state)
	}
	return t
}

func (s *session) lintCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lint FILE...",
		Short: "Check files with definitions without a server",
		Args:  cobra.MinimumNArgs(1),
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		src, err := s.sources(args)
		if err != nil {
			return err
		}
		slos, found := definition.Read("", []byte(src.String()))
		found = src.Place(found)
		if spec.Failed(found) {
			return &fault.Error{Code: fault.Failed, Err: errors.New(problems(found))}
		}
		if len(found) > 0 {
			fmt.Fprintln(s.stderr, problems(found))
		}
		for i := range slos {
			for j := range slos[i].Objectives {
				if err := s.say("%s: %s", slos[i].Name, output.Printable(spec.Promise(&slos[i], &slos[i].Objectives[j]))); err != nil {
					return err
				}
			}
		}
		return nil
	}
	s.wrap(cmd, nil)
	return cmd
}
