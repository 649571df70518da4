package compliance

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/promqltest"
)

// TestCounters reads counters whose first value and whose restarts an increase must not miss. Indicators that are ratios of
// counters ask for increases in this form: anchored, with start timestamps. The expectations come from an independent
// program.
func TestCounters(t *testing.T) {
	text, err := os.ReadFile("testdata/V21-counters.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Series []struct {
			Name   string      `json:"name"`
			Points [][3]*int64 `json:"points"` // start, time, value
			Expect []struct {
				Delta int64 `json:"delta"`
			} `json:"expect"`
			Total int64 `json:"total"`
		} `json:"series"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Series) != 4 {
		t.Errorf("%d series", len(v.Series))
	}
	for _, s := range v.Series {
		t.Run(s.Name, func(t *testing.T) {
			first, last := *s.Points[0][1], *s.Points[len(s.Points)-1][1]
			starts, values, deltas := strings.Repeat(" _", int(first/10)), strings.Repeat(" _", int(first/10)), ""
			for i, p := range s.Points {
				if p[0] != nil {
					starts += fmt.Sprintf(" %ds", *p[0]-*p[1])
				} else {
					starts += " _"
				}
				values += fmt.Sprint(" ", *p[2])
				deltas += fmt.Sprint(" ", s.Expect[i].Delta)
			}
			script := fmt.Sprintf("load 10s\n a@st%s\n a%s\n\neval range from %ds to %ds step 10s increase(a[10s] anchored)\n {}%s\n",
				starts, values, first, last, deltas)
			script += fmt.Sprintf("\neval instant at %ds increase(a[1m] anchored)\n {} %d\n", last, s.Total)
			promqltest.RunTestWithStorage(t, script, newEngine(), newColumns)
		})
	}
}
