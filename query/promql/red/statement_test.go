package red

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"loadline/query/promql/red/grid"
	"loadline/query/promql/series"
	"loadline/query/querytest"
	"loadline/query/sql"
)

func TestStatements(t *testing.T) {
	var out strings.Builder
	f := func(metric, about string, q grid.Question, matchers ...*labels.Matcher) {
		t.Helper()
		family := families()[metric]
		g := grid.New(q, family.unit, q.End+grid.Hour)
		var w sql.Where
		jobs := map[resource]string{{service: "web"}: "shop/web"}
		fmt.Fprintf(&out, "-- %s, %s\n%s;\n", metric, about, family.statement(&w, g, 0, g.Cells, jobs, matchers))
		for _, a := range w.Args {
			if p, ok := a.(driver.NamedValue); ok {
				fmt.Fprintf(&out, "--   %s = %v\n", p.Name, p.Value)
			}
		}
	}
	base := querytest.Base.UnixMilli()
	on := labels.MustNewMatcher
	f(SpanDuration, "a chart", grid.Question{Start: base - 5*grid.Minute + 1, End: base + grid.Hour, Step: grid.Minute, Window: 5 * grid.Minute, Function: "rate"},
		on(labels.MatchEqual, "job", "shop/web"), on(labels.MatchEqual, "kind", "server"), on(labels.MatchNotRegexp, "operation", "GET /a.*"))
	f(SpanDuration, "windows with gaps", grid.Question{Start: base - 5*grid.Minute + 1, End: base + 24*grid.Hour, Step: grid.Hour, Window: 5 * grid.Minute, Function: "rate"})
	f(SpanCalls, "a month", grid.Question{Start: base - grid.Hour + 1, End: base + 30*24*grid.Hour, Step: grid.Hour, Window: grid.Hour, Function: "increase"}, on(labels.MatchRegexp, "status_code", "STATUS_CODE_ERROR|STATUS_CODE_OK"))
	f(EdgeServerSeconds, "now", grid.Question{Start: base - 5*grid.Minute + 8, End: base + 7, Step: 0, Window: 5 * grid.Minute, Function: "rate"}, on(labels.MatchEqual, "connection_type", ""))
	querytest.Golden(t, "statements.sql", out.String())
}

// FuzzAdd reads rows from a server that is not ours.
func FuzzAdd(f *testing.F) {
	f.Add("\x01\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xf0\x3f\x01\x00\x00\x00\x00\x00\x00\xf0\x3f\x01\x01\x00\x01\xa0\x00\x01\x00\x00\x00\x00\x00\x00\xf0\x3f")
	f.Fuzz(func(t *testing.T, blob string) {
		for _, metric := range []string{SpanDuration, SpanCalls} {
			family := families()[metric]
			var r record
			if _, err := new(adder).add(&r, family, blob); err != nil {
				continue
			}
			g := grid.New(grid.Question{Start: time.Now().UnixMilli(), End: time.Now().UnixMilli() + grid.Hour, Window: 5 * grid.Minute}, 10*grid.Second, time.Now().UnixMilli()+grid.Hour)
			family.fill(&series.Series{}, g, r.ordered(), newCumulative(newBounds()))
		}
	})
}
