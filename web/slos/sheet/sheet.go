// Package sheet writes reports of SLOs as tables for spreadsheets.
package sheet

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"

	"loadline/slo"
)

// Write writes a line for each day and objective as CSV. Shares that there are none of, as of a day without events, are
// empty.
func Write(w io.Writer, report *slo.Report) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"slo", "objective", "target", "day", "bad", "total", "attained", "budget_spent"}) // Error tells
	for i := range report.Objectives {
		o := &report.Objectives[i]
		for _, d := range o.Days {
			_ = out.Write([]string{
				report.SLO, o.Objective, o.Target.Text(), d.Day.Format("2006-01-02"), strconv.FormatUint(d.Bad, 10), strconv.FormatUint(d.Total, 10),
				number(d.Attained), number(d.Spent),
			})
		}
	}
	out.Flush()
	return out.Error()
}

func number(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', 8, 64)
}
