package slos

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/slos/output"
	"loadline/web/sloapi/wire"
)

func (s *session) backtestCommand() *cobra.Command {
	var files []string
	var from, to, objective string
	cmd := &cobra.Command{
		Use:   "backtest [NAME | -f FILE]",
		Short: "Say what SLOs would have done: alerts, incidents caught, budget",
		Long: "Run an SLO that is in force, or those of files that are not yet, over what is stored: which alerts they would have\n" +
			"raised, which incidents these would have caught and how fast, what budget would be left, and the tightest objective\n" +
			"that was met.",
		Example: "  loadline slo backtest -f checkout.yaml --from -30d\n  loadline slo backtest checkout -o json",
		Args:    cobra.MaximumNArgs(1),
	}
	f := cmd.Flags()
	f.StringArrayVarP(&files, "file", "f", nil, "YAML file, directory of them, or - for stdin; may be repeated")
	f.StringVar(&from, "from", "", "beginning (default as long ago as the window is long)")
	f.StringVar(&to, "to", "", "end (default now)")
	f.StringVar(&objective, "objective", "", "only this objective")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == len(files) && len(args) == 0 || len(args) > 0 && len(files) > 0 {
			return usage("want the name of an SLO or files with -f")
		}
		q := url.Values{}
		for key, value := range map[string]string{"from": from, "to": to, "objective": objective, "slo": strings.Join(args, "")} {
			if value != "" {
				q.Set(key, value)
			}
		}
		r := request{method: http.MethodPost, path: []string{"backtest"}, query: q}
		if len(files) > 0 {
			src, err := s.sources(files)
			if err != nil {
				return err
			}
			r.body, r.files = src.String(), src
		}
		var list []wire.Backtest
		if err := s.fetch(cmd.Context(), r, &list); err != nil {
			return err
		}
		if s.format != output.Table {
			return s.print(list, func() *output.Rows { return outcomes(list) })
		}
		var b strings.Builder
		for i := range list {
			if i > 0 {
				b.WriteString("\n")
			}
			tried(&b, &list[i])
		}
		_, err := io.WriteString(s.stdout, b.String())
		return err
	}
	s.outputs(cmd, output.Table, output.JSON, output.YAML, output.CSV)
	return cmd
}

// outcomes has a row for each objective that was tried.
func outcomes(list []wire.Backtest) *output.Rows {
	t := output.New("SLO", ">TARGET", "FROM", "TO", ">ATTAINED", ">BUDGET LEFT", ">PAGES", ">TICKETS", ">CAUGHT", ">INCIDENTS", ">DELAY SECONDS", ">FALSE PAGES", ">TIGHTEST")
	for i := range list {
		r := &list[i]
		t.Add(name(&wire.Objective{SLO: r.SLO, Objective: r.Objective}), r.Target, clock(r.From), clock(r.To), percent(r.Attained), percent(r.Left),
			fmt.Sprint(r.Pages), fmt.Sprint(r.Tickets), fmt.Sprint(r.Caught), fmt.Sprint(len(r.Incidents)), fmt.Sprint(float64(r.Delay)), fmt.Sprint(r.False), percent(r.Tightest))
	}
	return t
}

// tried tells what an objective would have done.
func tried(b *strings.Builder, r *wire.Backtest) {
	fmt.Fprintf(b, "%s\n%s\n", output.Printable(r.Promise), name(&wire.Objective{SLO: r.SLO, Objective: r.Objective})+" from "+clock(r.From)+" to "+clock(r.To))
	facts := output.New("", "")
	facts.Add("attained", fmt.Sprintf("%s (%s of %s events bad)", percent(r.Attained), count(r.Bad), count(r.Total)))
	facts.Add("budget left", percent(r.Left))
	facts.Add("pages", fmt.Sprintf("%d (%.2g a week), %d outside of incidents", r.Pages, float64(r.PagesPerWeek), r.False))
	facts.Add("tickets", fmt.Sprintf("%d (%.2g a week)", r.Tickets, float64(r.TicketsPerWeek)))
	facts.Add("alerting", seconds(r.Alerting))
	facts.Add("incidents", caught(r))
	facts.Add("tightest met", percent(r.Tightest))
	facts.Add("counted", percent(r.Coverage)+" of the period"+source(r.Quality))
	b.WriteString(facts.Body())
	if alerts := alertTable(r.Events); alerts.Len() > 0 {
		b.WriteString("\n" + alerts.String())
	}
	if len(r.Grid) == 0 {
		return
	}
	t := output.New(">TARGET", "POLICY", ">PAGES A WEEK", ">TICKETS A WEEK", ">CAUGHT", ">DELAY", ">FALSE PAGES", ">BUDGET LEFT")
	for _, c := range r.Grid {
		t.Add(c.Target, cmp.Or(c.Policy, "its own"), fmt.Sprintf("%.2g", float64(c.PagesPerWeek)), fmt.Sprintf("%.2g", float64(c.TicketsPerWeek)), fmt.Sprint(c.Caught), seconds(c.Delay), fmt.Sprint(c.False), percent(c.Left))
	}
	b.WriteString("\n" + t.String())
}

// caught says how many incidents would have been noticed.
func caught(r *wire.Backtest) string {
	if len(r.Incidents) == 0 {
		return "none"
	}
	text := fmt.Sprintf("%d of %d caught", r.Caught, len(r.Incidents))
	if r.Caught > 0 {
		text += ", in " + seconds(r.Delay) + " (median)"
	}
	return text
}

// source says where numbers of the past are from.
func source(q *wire.Quality) string {
	if q == nil {
		return ""
	}
	text := ", from " + q.Source
	if q.Approximate {
		text += fmt.Sprintf(": durations by histogram, %s to %s events bad", count(uint64(max(q.BadLow, 0))), count(uint64(max(q.BadHigh, 0))))
	}
	return text
}

// maxAlerts is how many alerts are listed.
const maxAlerts = 50

// alertTable has a row for each alert and for each that was held back.
func alertTable(events []wire.Event) *output.Rows {
	t := output.New("AT", "RULE", "SEVERITY", "WHAT", ">BURN", ">BURN SHORT", ">BUDGET LEFT", "WHY")
	for i := range events {
		e := &events[i]
		if t.Len() == maxAlerts {
			t.Add("…", "", "", fmt.Sprintf("%d more events: -o json has all", len(events)-i), "", "", "", "")
			break
		}
		if e.State != "pending" && e.State != "lapsed" && e.State != "held" {
			t.Add(clock(e.At), e.Rule, e.Severity, e.State, factor(e.BurnLong), factor(e.BurnShort), percent(e.Left), e.Reason)
		}
	}
	return t
}
