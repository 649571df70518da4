package slos

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/fault"
	"loadline/cmd/loadline/slos/output"
	"loadline/web/sloapi/wire"
)

// belowBudget is the exit code of a check whose objective has less than is asked for.
const belowBudget = 3

// demand is what a check asks of objectives.
type demand struct {
	objective, group string
	budget           float64 // share that has to be left
	burn             float64 // rate of the last hour that may not be exceeded; 0 for any
	noData           bool    // an objective without data is fine
}

func (s *session) checkCommand() *cobra.Command {
	var d demand
	var budget string
	cmd := &cobra.Command{
		Use:   "check NAME...",
		Short: "Tell by the exit code whether enough budget is left, for pipelines",
		Long: "Tell by the exit code whether SLOs have enough budget left to take a risk, such as a deployment: 0 if all have, 3 if\n" +
			"one has less, or burns it too fast, and 1 if one is not measured or another error keeps it from being known.",
		Example: "  loadline slo check checkout --min-budget 10% && deploy",
		Args:    cobra.MinimumNArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&budget, "min-budget", "0%", "share of the budget that has to be left")
	f.Float64Var(&d.burn, "max-burn", 0, "burn rate of the last hour that may not be exceeded (default any)")
	f.StringVar(&d.objective, "objective", "", "only this objective of the SLOs")
	f.StringVar(&d.group, "group", "", "only this group of the objectives")
	f.BoolVar(&d.noData, "allow-no-data", false, "take objectives without data for good")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		if d.budget, err = share(budget); err != nil {
			return usage("--min-budget: %w", err)
		}
		if d.burn < 0 {
			return usage("--max-burn: cannot use %g: want a burn rate, such as 2", d.burn)
		}
		var list []wire.Objective
		for _, name := range args {
			var status wire.Status
			if err := s.fetch(cmd.Context(), request{path: []string{name, "status"}}, &status); err != nil {
				return err
			}
			chosen := d.choose(&status)
			if len(chosen) == 0 {
				return &fault.Error{Code: fault.Failed, Err: fmt.Errorf("SLO %q has nothing to check%s", name, d), Hint: "`loadline slo get " + name + "` shows its objectives and groups"}
			}
			list = append(list, chosen...)
		}
		if err := s.print(list, func() *output.Rows { return d.verdicts(list) }); err != nil {
			return err
		}
		return d.judge(list)
	}
	s.outputs(cmd, output.Table, output.JSON, output.YAML, output.CSV)
	return cmd
}

// share reads a share such as 10%, -5% or 0.1.
func share(text string) (float64, error) {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if isPercent {
		v /= 100
	}
	if err != nil || math.IsNaN(v) || v > 1 || math.IsInf(v, 0) {
		return 0, fmt.Errorf("cannot use %q: want a share such as 10%% or 0.1", text)
	}
	return v, nil
}

// String names what is chosen, for errors.
func (d demand) String() string {
	var b strings.Builder
	if d.objective != "" {
		fmt.Fprintf(&b, " as objective %q", d.objective)
	}
	if d.group != "" {
		fmt.Fprintf(&b, " in group %q", d.group)
	}
	return b.String()
}

// choose returns the objectives that a check is about.
func (d demand) choose(s *wire.Status) (out []wire.Objective) {
	list := s.Objectives
	if d.group != "" {
		list = s.Groups
	}
	for _, o := range list {
		if (d.objective == "" || o.Objective == d.objective) && o.Group == d.group {
			out = append(out, o)
		}
	}
	return out
}

// verdict is what is wrong with an objective in a few words, empty if nothing is; known is false when that cannot be said.
func (d demand) verdict(o *wire.Objective) (text string, known bool) {
	switch left := float64(o.Left); {
	case o.Health == "no_data" || o.Health == "counting" || math.IsNaN(left):
		if d.noData {
			return "", true
		}
		return "not measured: " + strings.ReplaceAll(o.Health, "_", " "), false
	case left < d.budget || left <= 0 && d.budget == 0:
		return fmt.Sprintf("%s of the budget is left, less than %s", percent(o.Left), percent(wire.Number(max(d.budget, 0)))), true
	case d.burn > 0 && float64(o.Burn1h) > d.burn:
		return fmt.Sprintf("burns at %s, more than %s", factor(o.Burn1h), factor(wire.Number(d.burn))), true
	}
	return "", true
}

// verdicts has a row for each objective.
func (d demand) verdicts(list []wire.Objective) *output.Rows {
	t := output.New("SLO", ">ATTAINED", ">BUDGET LEFT", ">BURN 1H", "VERDICT")
	for i := range list {
		text, _ := d.verdict(&list[i])
		if text == "" {
			text = "ok"
		}
		t.Add(name(&list[i]), percent(list[i].Attained), percent(list[i].Left), factor(list[i].Burn1h), text)
	}
	return t
}

// judge is nil if all objectives pass. What is not known is worse than what is known to be too little.
func (d demand) judge(list []wire.Objective) error {
	var low error
	for i := range list {
		text, known := d.verdict(&list[i])
		if text == "" {
			continue
		}
		err := fmt.Errorf("%s: %s", name(&list[i]), text)
		if !known {
			return &fault.Error{Code: fault.Failed, Err: err, Hint: "--allow-no-data takes it for good"}
		}
		if low == nil {
			low = &fault.Error{Code: belowBudget, Err: err}
		}
	}
	return low
}
