package sidebyside

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"text/tabwriter"
	"time"

	"loadline/query/promql/compliance/server"
	"loadline/query/promql/compliance/workload"
	"loadline/query/promql/series"
)

const metric = "http_requests_total"

// questions are those of the design, and what a check of liveness asks.
func questions() []question {
	all := time.Duration(*hours) * time.Hour
	return []question{
		{"Q1 sum by (job) (rate[5m])", "sum by (job) (rate(" + metric + "[5m]))", all, time.Minute},
		{"Q2 sum by (job)", "sum by (job) (" + metric + ")", all, time.Minute},
		{"Q3 sum by (job) (max_over_time[5m])", "sum by (job) (max_over_time(" + metric + "[5m]))", all, time.Minute},
		{"Q4 one job, 1 h, 15 s", "sum(rate(" + metric + `{job="job-3"}[5m]))`, time.Hour, 15 * time.Second},
		{"Q5 20 series", "rate(" + metric + `{instance="10.0.1.7:9090"}[5m])`, all, time.Minute},
		{"Q6 sum by (job) (rate[1h]), 5 min", "sum by (job) (rate(" + metric + "[1h]))", all, 5 * time.Minute},
		{"instant, 50 series", metric + `{job="job-3", path="/api/1", code="200"}`, 0, 0},
		{"instant, 1 series", metric + `{instance="10.0.1.7:9090", path="/api/1", code="200"}`, 0, 0},
		{"instant, rate of 1 series", "rate(" + metric + `{instance="10.0.1.7:9090", path="/api/1", code="200"}[5m])`, 0, 0},
	}
}

// dashboard is twelve panels about one service.
func dashboard() []question {
	var all []question
	for i, text := range []string{
		"sum(rate(m[5m]))", "sum by (code) (rate(m[5m]))", "sum by (path) (rate(m[5m]))", "sum by (job) (rate(m[5m]))",
		"topk(5, sum by (instance) (rate(m[5m])))", `sum(rate(m{code="500"}[5m])) / sum(rate(m[5m]))`,
		`sum by (job) (rate(m{code="500"}[5m])) / sum by (job) (rate(m[5m]))`, `max by (job) (rate(m{code="200"}[5m]))`,
		"count by (job) (m)", "sum(increase(m[1h]))", `avg by (path) (rate(m{job="job-1"}[5m]))`, `quantile(0.95, rate(m{code="200"}[5m]))`,
	} {
		text = string(bytes.ReplaceAll([]byte(text), []byte("m["), []byte(metric+"[")))
		text = string(bytes.ReplaceAll([]byte(text), []byte("m{"), []byte(metric+"{")))
		text = string(bytes.ReplaceAll([]byte(text), []byte("(m)"), []byte("("+metric+")")))
		all = append(all, question{fmt.Sprint("panel ", i+1), text, time.Duration(*hours) * time.Hour, time.Minute})
	}
	return all
}

// span is the time of the samples: it ends 37 minutes into a bucket of two hours that is closed and packed by now, so
// that the first and the last bucket of a query are not whole and none is open.
func span(now time.Time) (from, to time.Time) {
	const bucket = 2 * time.Hour
	to = now.Add(-bucket - 30*time.Minute).Truncate(bucket).Add(37 * time.Minute)
	return to.Add(-time.Duration(*hours) * time.Hour), to
}

// BenchmarkPromQL feeds the three systems with the same samples and asks them the same questions.
func BenchmarkPromQL(b *testing.B) {
	loadline, prometheus, victoria := start(b)
	all := []*system{loadline, prometheus, victoria}
	from, to := span(time.Now())
	scrapes := workload.New(from, to)
	samples := feed(b, all, func() []*series.Series { return scrapes.Next(time.Minute) })
	for _, s := range all {
		switch s {
		case loadline:
			finishLoadline(b, s)
		case prometheus:
			s.calm(b)
			s.fed = s.cpu(b) // a snapshot is not part of its work
			finishPrometheus(b, s)
		default:
			finishVictoria(b, s)
		}
		if s.fed == 0 {
			s.fed = s.cpu(b)
		}
	}
	fmt.Printf("\n%d samples of %d series from %s to %s; all buckets are closed and packed\n", samples, workload.Series, from.UTC().Format(time.DateTime), to.UTC().Format(time.DateTime))
	print(func(row func(...any)) {
		row("system", "ingest CPU µs/sample", "bytes/sample", "bytes of")
		for _, s := range all {
			row(s.Name, fmt.Sprintf("%.2f", float64(s.fed.Microseconds())/float64(samples)), fmt.Sprintf("%.3f", float64(s.bytes)/float64(samples)), s.detail)
		}
	})
	for _, s := range []*system{loadline, victoria} {
		s.restart(b)
	}
	equal(b, loadline, prometheus, to)

	table := results{}
	for range *repetitions {
		for _, q := range questions() {
			table.measure(b, q, to, loadline, prometheus, victoria)
		}
		table.refresh(b, to, loadline, prometheus, victoria)
	}
	table.print(b)
}

// results are the CPU times of one question, by question, system and mode.
type results map[string]map[string][]time.Duration

func (r results) add(question, column string, used time.Duration) {
	if r[question] == nil {
		r[question] = map[string][]time.Duration{}
	}
	r[question][column] = append(r[question][column], used)
}

// Columns of the table of results.
const (
	prometheusColumn = "Prometheus"
	victoriaCold     = "VM cold"
	victoriaPlain    = "VM nocache"
	victoriaWarm     = "VM warm"
	loadlineCold     = "Loadline cold"
	loadlineWarm     = "Loadline warm"
)

// often is how often a question is asked so that ticks of 10 ms measure it. Each time is a step later, so that a query
// over a long time must not be asked too often.
func (q question) often(once time.Duration) int {
	return int(max(1, min(q.shifts(), time.Second/max(once, 10*time.Millisecond))))
}

func (q question) shifts() time.Duration {
	switch {
	case q.width == 0:
		return 100
	case q.step < 5*time.Minute:
		return 20
	default:
		return 6
	}
}

// measure asks a question. Cold is the first time after a restart, of VictoriaMetrics without its cache; warm is a refresh, one step later than the one before,
// after one that was not measured. The others are asked the refreshes as well.
func (r results) measure(b *testing.B, q question, to time.Time, loadline, prometheus, victoria *system) {
	b.Helper()
	path := func(parameters string) func(int) string {
		return func(i int) string {
			step := q.step
			if q.width == 0 {
				step = 15 * time.Second
			}
			return q.path(to.Add(-q.shifts()*step).Add(time.Duration(i)*step), parameters)
		}
	}
	later := func(f func(int) string) func(int) string { return func(i int) string { return f(i + 1) } }

	for _, cold := range []struct {
		system             *system
		column, parameters string
	}{{loadline, loadlineCold, ""}, {victoria, victoriaCold, victoria.plain}} {
		cold.system.restart(b)
		// The first query of a process pays for more than itself.
		cold.system.ask(b, 3, func(int) string { return question{text: "up"}.path(to, "") })
		r.add(q.name, cold.column, cold.system.ask(b, 1, path(cold.parameters)))
	}
	for _, one := range []struct {
		system             *system
		column, parameters string
	}{{loadline, loadlineWarm, ""}, {victoria, victoriaPlain, victoria.plain}, {victoria, victoriaWarm, ""}, {prometheus, prometheusColumn, ""}} {
		once := one.system.ask(b, 1, path(one.parameters))
		r.add(q.name, one.column, one.system.ask(b, q.often(once), later(path(one.parameters))))
	}
}

// refresh opens a dashboard after a restart of each system, and refreshes it a step later.
func (r results) refresh(b *testing.B, to time.Time, loadline, prometheus, victoria *system) {
	b.Helper()
	panels := dashboard()
	open := func(s *system, end time.Time, parameters string) time.Duration {
		return s.ask(b, len(panels), func(i int) string { return panels[i].path(end, parameters) }) * time.Duration(len(panels))
	}
	for _, s := range []*system{loadline, prometheus, victoria} {
		s.restart(b)
	}
	before := to.Add(-time.Minute)
	for _, s := range []*system{loadline, prometheus, victoria} {
		s.ask(b, 3, func(int) string { return question{text: "up"}.path(to, "") })
	}
	r.add("dashboard, opened", loadlineCold, open(loadline, before, ""))
	r.add("dashboard, opened", victoriaCold, open(victoria, before, victoria.plain))
	r.add("dashboard, opened", prometheusColumn, open(prometheus, before, ""))
	open(victoria, before, "")
	r.add("dashboard, refreshed", loadlineWarm, open(loadline, to, ""))
	r.add("dashboard, refreshed", victoriaWarm, open(victoria, to, ""))
	r.add("dashboard, refreshed", victoriaPlain, open(victoria, to, victoria.plain))
	r.add("dashboard, refreshed", prometheusColumn, open(prometheus, to, ""))
}

// print writes the medians, and ratios of Loadline to VictoriaMetrics.
func (r results) print(b *testing.B) {
	b.Helper()
	columns := []string{prometheusColumn, victoriaCold, victoriaPlain, victoriaWarm, loadlineCold, loadlineWarm}
	names := []string{}
	for _, q := range questions() {
		names = append(names, q.name)
	}
	names = append(names, "dashboard, opened", "dashboard, refreshed")
	fmt.Printf("\nCPU milliseconds of one query or dashboard, median of %d\n", *repetitions)
	print(func(row func(...any)) {
		row("query", columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], "cold/cold", "cold/nocache", "warm/nocache", "warm/warm", "cold/Prometheus")
		for _, name := range names {
			of := map[string]float64{}
			cells := []any{name}
			for _, column := range columns {
				all := r[name][column]
				if len(all) == 0 {
					cells = append(cells, "")
					continue
				}
				of[column] = float64(median(all).Microseconds()) / 1000
				cells = append(cells, fmt.Sprintf("%.1f", of[column]))
			}
			for _, pair := range [][2]string{{loadlineCold, victoriaCold}, {loadlineCold, victoriaPlain}, {loadlineWarm, victoriaPlain}, {loadlineWarm, victoriaWarm}, {loadlineCold, prometheusColumn}} {
				if of[pair[0]] == 0 || of[pair[1]] == 0 {
					cells = append(cells, "")
					continue
				}
				cells = append(cells, fmt.Sprintf("%.2f", of[pair[0]]/of[pair[1]]))
			}
			row(cells...)
		}
	})
}

// print writes a table to standard output.
func print(rows func(row func(cells ...any))) {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	rows(func(cells ...any) {
		for _, c := range cells {
			fmt.Fprint(w, c, "\t")
		}
		fmt.Fprintln(w)
	})
	_ = w.Flush()
	fmt.Println(text.String())
}

// equal checks that the stored samples are the same, by queries that mean the same in both versions of Prometheus.
func equal(b *testing.B, x, y *system, to time.Time) {
	b.Helper()
	for _, q := range questions()[1:2] {
		var points, different int
		a, c := matrix(b, x.Server, q.path(to, "")), matrix(b, y.Server, q.path(to, ""))
		for name, values := range a {
			for at, v := range values {
				points++
				if c[name][at] != v {
					different++
				}
			}
		}
		fmt.Printf("%s: %d of %d points differ between %s and %s\n", q.name, different, points, x.Name, y.Name)
		if points == 0 || different > 0 || len(a) != len(c) {
			b.Errorf("%s is not the same", q.name)
		}
	}
}

// matrix is the answer to a range query: values by time by series.
func matrix(b *testing.B, s *server.Server, path string) map[string]map[float64]string {
	b.Helper()
	body, err := s.Get(context.Background(), path)
	if err != nil {
		b.Fatal(err)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		b.Fatal(err)
	}
	all := map[string]map[float64]string{}
	for _, one := range answer.Data.Result {
		values := map[float64]string{}
		for _, v := range one.Values {
			at, _ := v[0].(float64)
			text, _ := v[1].(string)
			values[at] = text
		}
		all[fmt.Sprint(one.Metric)] = values
	}
	return all
}
