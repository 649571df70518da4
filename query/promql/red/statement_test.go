package red

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"loadline/query/promql/series"
	"loadline/query/querytest"
	"loadline/query/sql"
)

func TestStatements(t *testing.T) {
	var out strings.Builder
	f := func(metric, about string, q question, matchers ...*labels.Matcher) {
		t.Helper()
		family := families()[metric]
		g := newGrid(q, family.unit, q.end+hour)
		var w sql.Where
		jobs := map[resource]string{{service: "web"}: "shop/web"}
		fmt.Fprintf(&out, "-- %s, %s\n%s;\n", metric, about, family.statement(&w, g, 0, g.cells, jobs, matchers))
		for _, a := range w.Args {
			if p, ok := a.(driver.NamedValue); ok {
				fmt.Fprintf(&out, "--   %s = %v\n", p.Name, p.Value)
			}
		}
	}
	base := querytest.Base.UnixMilli()
	on := labels.MustNewMatcher
	f(SpanDuration, "a chart", question{base - 5*minute + 1, base + hour, minute, 5 * minute, "rate"},
		on(labels.MatchEqual, "job", "shop/web"), on(labels.MatchEqual, "kind", "server"), on(labels.MatchNotRegexp, "operation", "GET /a.*"))
	f(SpanDuration, "windows with gaps", question{base - 5*minute + 1, base + 24*hour, hour, 5 * minute, "rate"})
	f(SpanCalls, "a month", question{base - hour + 1, base + 30*24*hour, hour, hour, "increase"}, on(labels.MatchRegexp, "status_code", "STATUS_CODE_ERROR|STATUS_CODE_OK"))
	f(EdgeServerSeconds, "now", question{base - 5*minute + 8, base + 7, 0, 5 * minute, "rate"}, on(labels.MatchEqual, "connection_type", ""))
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
			g := newGrid(question{start: time.Now().UnixMilli(), end: time.Now().UnixMilli() + hour, window: 5 * minute}, 10*second, time.Now().UnixMilli()+hour)
			family.fill(&series.Series{}, g, r.ordered(), newCumulative(newBounds()))
		}
	})
}
