package sheet

import (
	"math"
	"strings"
	"testing"
	"time"

	"loadline/slo"
	"loadline/slo/budget"
)

func TestWrite(t *testing.T) {
	target, err := budget.ParsePercent("99.9")
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	o := slo.ReportObjective{Objective: "a,b", Target: target}
	o.Days = []slo.ReportDay{
		{Day: day, Bad: 6, Total: 20_000, Attained: 0.9997, Spent: 0.015},
		{Day: day.AddDate(0, 0, 1), Attained: math.NaN(), Spent: math.NaN()},
	}
	report := slo.Report{SLO: "checkout", Objectives: []slo.ReportObjective{o}}
	var out strings.Builder
	if err := Write(&out, &report); err != nil {
		t.Fatal(err)
	}
	const want = `slo,objective,target,day,bad,total,attained,budget_spent
checkout,"a,b",0.999,2026-10-01,6,20000,0.9997,0.015
checkout,"a,b",0.999,2026-10-02,0,0,,
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
