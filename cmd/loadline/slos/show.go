package slos

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/slos/output"
	"loadline/web/sloapi/wire"
)

func (s *session) listCommand() *cobra.Command {
	var service, owner, health string
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List objectives with their budgets",
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&service, "service", "", "only those of a service")
	f.StringVar(&owner, "owner", "", "only those of an owner")
	f.StringVar(&health, "health", "", "only those that are ok, at_risk, breached, no_data or counting")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q := url.Values{}
		for key, value := range map[string]string{"service": service, "owner": owner, "health": health} {
			if value != "" {
				q.Set(key, value)
			}
		}
		var list []wire.Objective
		if err := s.fetch(cmd.Context(), request{query: q}, &list); err != nil {
			return err
		}
		if len(list) == 0 && s.format == output.Table {
			return s.say("no objectives")
		}
		return s.print(list, func() *output.Rows { return overview(list) })
	}
	s.outputs(cmd, output.Table, output.JSON, output.YAML, output.CSV)
	return cmd
}

// overview has a row for each objective.
func overview(list []wire.Objective) *output.Rows {
	t := output.New("SLO", "SERVICE", ">TARGET", "WINDOW", ">ATTAINED", ">BUDGET LEFT", ">BURN 1H", ">GONE IN", "STATE")
	for i := range list {
		o := &list[i]
		t.Add(name(o), o.Service, o.Target, o.Window, percent(o.Attained), percent(o.Left), factor(o.Burn1h), gone(o), state(o))
	}
	return t
}

func (s *session) getCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Show an SLO: promise, budget, rules, groups",
		Args:  cobra.ExactArgs(1),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if s.format == output.YAML {
			return s.export(cmd, args[0], "native")
		}
		var d wire.Definition
		if err := s.fetch(cmd.Context(), request{path: args[:1]}, &d); err != nil {
			return err
		}
		var status wire.Status
		if err := s.fetch(cmd.Context(), request{path: []string{args[0], "status"}}, &status); err != nil {
			return err
		}
		if s.format == output.JSON {
			text, err := output.Encode(struct {
				wire.Definition
				Groups []wire.Objective `json:"groups,omitempty"`
			}{d, status.Groups}, output.JSON)
			if err == nil {
				_, err = io.WriteString(s.stdout, text)
			}
			return err
		}
		_, err := io.WriteString(s.stdout, details(&d, &status))
		return err
	}
	s.outputs(cmd, output.Table, output.JSON, output.YAML)
	return cmd
}

// details tells an SLO to people.
func details(d *wire.Definition, status *wire.Status) string {
	var b strings.Builder
	for i := range status.Objectives {
		o := &status.Objectives[i]
		if i == 0 {
			fmt.Fprintf(&b, "%s\n", output.Printable(o.Title))
			if o.Description != "" {
				fmt.Fprintf(&b, "%s\n", output.Printable(o.Description))
			}
		}
		b.WriteString("\n")
		objectiveDetails(&b, o)
	}
	if len(status.Groups) > 0 {
		b.WriteString("\n")
		t := output.New("GROUP", ">ATTAINED", ">BUDGET LEFT", ">BAD", ">EVENTS", ">BURN 1H", "STATE")
		for i := range status.Groups {
			g := &status.Groups[i]
			t.Add(name(g), percent(g.Attained), percent(g.Left), count(g.Bad), count(g.Total), factor(g.Burn1h), state(g))
		}
		b.WriteString(t.String())
	}
	fmt.Fprintf(&b, "\nrevision %d of %s by %s (%s)\n", d.Revision, clock(d.At), output.Printable(d.Author), output.Printable(d.Source))
	return b.String()
}

func objectiveDetails(b *strings.Builder, o *wire.Objective) {
	fmt.Fprintf(b, "%s\n", output.Printable(o.Promise))
	facts := output.New("", "")
	facts.Add("state", state(o))
	facts.Add("attained", fmt.Sprintf("%s (%s of %s events bad)", percent(o.Attained), count(o.Bad), count(o.Total)))
	facts.Add("budget left", percent(o.Left))
	if o.Projected != o.Left {
		facts.Add("of a whole period", percent(o.Projected))
	}
	facts.Add("burn 1h", factor(o.Burn1h))
	facts.Add("gone in", gone(o))
	facts.Add("one bad event", percent(o.OneBad)+" of the budget")
	facts.Add("period", clock(o.From)+" to "+clock(o.To)+", counted "+percent(o.Coverage))
	if o.Owner != "" {
		facts.Add("owner", o.Owner)
	}
	if o.Runbook != "" {
		facts.Add("runbook", o.Runbook)
	}
	for _, p := range o.Problems {
		facts.Add("problem", p)
	}
	b.WriteString(facts.Body())
	if len(o.Rules) == 0 {
		return
	}
	b.WriteString("\n")
	t := output.New("RULE", "SEVERITY", "STATE", "WINDOWS", ">ABOVE", ">BURN", ">BURN SHORT", ">ALERTS", "WHY")
	for _, r := range o.Rules {
		t.Add(r.Name, r.Severity, r.State, r.Long+"/"+r.Short, factor(r.Threshold), factor(r.BurnLong), factor(r.BurnShort), fmt.Sprint(r.Alerts), r.Reason)
	}
	b.WriteString(t.String())
}

func (s *session) exportCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "export [NAME]",
		Short: "Write definitions as YAML, all of them or one",
		Long: "Write definitions as YAML: Loadline's short form, OpenSLO v1, or recording and alerting rules for a Prometheus, where\n" +
			"that can count what they count.",
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringVar(&format, "format", "native", "native, openslo or prometheus")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return s.export(cmd, strings.Join(args, ""), format) }
	s.wrap(cmd, nil)
	return cmd
}

func (s *session) export(cmd *cobra.Command, slo, format string) error {
	r := request{query: url.Values{"format": {format}}}
	if slo != "" {
		r.path = []string{slo}
	}
	text, err := s.text(cmd.Context(), r)
	if err == nil {
		_, err = io.WriteString(s.stdout, text)
	}
	return err
}

func (s *session) historyCommand() *cobra.Command {
	var limit int
	var diff bool
	cmd := &cobra.Command{
		Use:   "history NAME",
		Short: "Show who changed an SLO, when and how",
		Args:  cobra.ExactArgs(1),
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many revisions")
	cmd.Flags().BoolVar(&diff, "diff", false, "with what each revision changed")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var list []wire.Revision
		r := request{path: []string{args[0], "history"}, query: url.Values{"limit": {fmt.Sprint(limit)}}}
		if err := s.fetch(cmd.Context(), r, &list); err != nil {
			return err
		}
		if diff && s.format == output.Table {
			var b strings.Builder
			for i := range list {
				fmt.Fprintf(&b, "revision %d of %s by %s (%s)\n%s\n", list[i].Revision, clock(list[i].At), output.Printable(list[i].Author), output.Printable(list[i].Source), changed(list[i].Diff))
			}
			_, err := io.WriteString(s.stdout, b.String())
			return err
		}
		return s.print(list, func() *output.Rows {
			t := output.New(">REVISION", "AT", "AUTHOR", "SOURCE", "CHANGE")
			for i := range list {
				t.Add(fmt.Sprint(list[i].Revision), clock(list[i].At), list[i].Author, list[i].Source, summary(&list[i]))
			}
			return t
		})
	}
	s.outputs(cmd, output.Table, output.JSON, output.YAML, output.CSV)
	return cmd
}

// summary is a revision in a few words.
func summary(r *wire.Revision) string {
	if r.Deleted {
		return "deleted"
	}
	more, less := 0, 0
	for _, l := range r.Diff {
		switch l.Op {
		case "+":
			more++
		case "-":
			less++
		}
	}
	return fmt.Sprintf("+%d -%d lines", more, less)
}

func (s *session) eventsCommand() *cobra.Command {
	var from, to, objective, group string
	var limit int
	cmd := &cobra.Command{
		Use:   "events [NAME]",
		Short: "Show what the rules of an SLO did and why, or of all",
		Args:  cobra.MaximumNArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "-7d", "beginning")
	f.StringVar(&to, "to", "", "end (default now)")
	f.StringVar(&objective, "objective", "", "only those of one objective")
	f.StringVar(&group, "group", "", "only those of one group")
	f.IntVar(&limit, "limit", 100, "how many, the newest")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q := url.Values{"limit": {fmt.Sprint(limit)}}
		for key, value := range map[string]string{"from": from, "to": to, "objective": objective, "group": group} {
			if value != "" {
				q.Set(key, value)
			}
		}
		var list []wire.Event
		if err := s.fetch(cmd.Context(), request{path: []string{strings.Join(append(args, "-")[:1], ""), "events"}, query: q}, &list); err != nil {
			return err
		}
		return s.print(list, func() *output.Rows { return happened(list) })
	}
	s.outputs(cmd, output.Table, output.JSON, output.YAML, output.CSV)
	return cmd
}

// happened has a row for each event.
func happened(list []wire.Event) *output.Rows {
	t := output.New("AT", "SLO", "RULE", "SEVERITY", "STATE", ">BURN", ">BURN SHORT", ">BUDGET LEFT", "WHY")
	for i := range list {
		e := &list[i]
		of := name(&wire.Objective{SLO: e.SLO, Objective: e.Objective, Group: e.Group})
		t.Add(clock(e.At), of, e.Rule, e.Severity, e.State, factor(e.BurnLong), factor(e.BurnShort), percent(e.Left), e.Reason)
	}
	return t
}
