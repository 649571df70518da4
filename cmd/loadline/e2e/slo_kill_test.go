package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"loadline/internal/clickhouse"
)

// promise is an SLO of the killed service, and in SQL which of its spans are events and which of them are bad.
type promise struct {
	name, text string
	sign       string // what only its indicator's definition has in it
	event, bad string
	group      string // column
}

const inbound = "(kind IN ('server', 'consumer') OR parent_id = toFixedString('', 8))"

// promises are about spans as load makes them. They are put in force one after the other while processes die.
var promises = []promise{
	{
		name: "kill-errors", sign: `"errors":true`, event: inbound, bad: "error",
		text: "slo: kill-errors\nservice: crash\ngood: no errors\nobjective: 99% over 30 days\n",
	},
	{
		name: "kill-slow", sign: `"group_by":"operation"`, event: "kind IN ('server', 'internal')", bad: "duration > 400000000", group: "operation",
		text: "slo: kill-slow\nservice: crash\nkinds: [server, internal]\ngood: within 400ms\ngroup_by: operation\nobjective: 50% over 7 days\n",
	},
	{
		name: "kill-odd", sign: `e2e.number`, event: inbound + " AND match(attributes['e2e.number'], '[13579]$')",
		bad:  "duration > 900000000 OR match(attributes['e2e.number'], '7$')",
		text: "slo: kill-odd\nservice: crash\nwhere: e2e.number =~ \".*[13579]\"\ngood: within 900ms\nbad: e2e.number =~ \".*7\"\nobjective: 90% over 28 days\n",
	},
}

// TestSLOKill ends the process and its engine at random moments while spans come, objectives are put in force, and what was
// before these is counted. In the end every span has counted once, in every table and in what the server says.
func TestSLOKill(t *testing.T) {
	random := seed(t)
	dir := t.TempDir()
	p := serve(t, dir)
	s := startSender(load{id: 0xc4a5, service: "crash"}, 3, 40*time.Millisecond, addresses{p.grpc, p.http})
	defer s.stop()
	wait(5000) // what is before the first objective
	var applied time.Time
	for i := range kills {
		if i%6 == 0 && i/6 < len(promises) {
			p.apply(t, promises[i/6].text)
			applied = time.Now()
		}
		wait(random.IntN(4000))
		if i%3 == 2 {
			pid := p.engine()
			t.Logf("kill %d: engine %d, %v", i, pid, p.killEngine())
			continue
		}
		p = killAndRestart(t, random, p, i)
		s.target.Store(&addresses{p.grpc, p.http})
	}
	<-time.After(time.Until(applied.Add(40 * time.Second))) // the last objective is counted while spans come
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d spans are acknowledged, %d requests were repeated", s.spans, s.repeats)
	_, db := p.open(t)
	checkLoad(t, db, s)
	for _, k := range promises {
		k.check(t, p, db)
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	p = serve(t, dir)
	_, db = p.open(t)
	for _, k := range promises {
		k.check(t, p, db)
	}
}

// apply puts a definition in force; the engine may be away for a moment.
func (p *process) apply(t *testing.T, text string) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/api/v1/slos", strings.NewReader(text))
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d, %w: %s", resp.StatusCode, err, answer)
		}
		return nil
	})
}

// check waits until the counts are those of the spans: in all tables slot by slot, in the journal from the first slot on
// that is counted while spans come, and in what the server says.
func (k *promise) check(t *testing.T, p *process, db *clickhouse.DB) {
	t.Helper()
	var indicator uint64
	var since time.Time
	err := db.QueryRow(t.Context(), `
		SELECT indicator, since
		FROM slo_indicators FINAL
		WHERE position(definition, {sign:String}) > 0 AND NOT retired`, clickhouse.Named("sign", k.sign)).Scan(&indicator, &since)
	if err != nil {
		t.Fatalf("%s: %v", k.name, err)
	}
	for table, seconds := range map[string]int{"slo_slots_10s": 10, "slo_slots_5m": 300, "slo_slots_1h": 3600} {
		k.same(t, db, table, fmt.Sprintf("indicator = %d AND grp = ''", indicator), seconds, "''", "1")
		if k.group != "" {
			k.same(t, db, table, fmt.Sprintf("indicator = %d AND grp != ''", indicator), seconds, k.group, "1")
		}
	}
	k.same(t, db, "slo_journal", fmt.Sprintf("indicator = %d AND grp = '' AND node > 1", indicator), 10, "''",
		fmt.Sprintf("slice >= toDateTime(%d, 'UTC')", since.Unix()))
	eventually(t, 2*time.Minute, func() error {
		bad, total, err := k.spans(t.Context(), db)
		if err != nil {
			return err
		}
		o, err := p.objective(k.name)
		if err == nil && (o.Bad != bad || o.Total != total || total == 0 || bad == 0) {
			err = fmt.Errorf("%s: the server says %d of %d, spans say %d of %d; at %s, %s, past %+v",
				k.name, o.Bad, o.Total, bad, total, o.Evaluated, o.Health, o.Backfill)
		}
		return err
	})
}

// same waits until a table has the counts of the spans that a condition selects, slot by slot and group by group.
func (k *promise) same(t *testing.T, db *clickhouse.DB, table, rows string, seconds int, group, spans string) {
	t.Helper()
	sql := fmt.Sprintf(`
		SELECT toString((count(), min(slot), max(slot), sum(b), sum(t)))
		FROM
		(
			SELECT grp, slot, sum(bad) AS b, sum(total) AS t
			FROM
			(
				SELECT toString(grp) AS grp, toUInt32(slice) AS slot, bad, total
				FROM %s
				WHERE %s
				UNION ALL
				SELECT toString(%s) AS grp, intDiv(toUInt32(slice), %d) * %d AS slot, -toInt64(countIf(%s)) AS bad, -toInt64(count()) AS total
				FROM spans
				WHERE service = 'crash' AND %s AND (%s)
				GROUP BY grp, slot
			)
			GROUP BY grp, slot
			HAVING b != 0 OR t != 0
		)`, table, rows, group, seconds, seconds, k.bad, spans, k.event)
	eventually(t, 2*time.Minute, func() error {
		got, err := scalar[string](t.Context(), db, sql)
		if err == nil && got != "(0,0,0,0,0)" {
			err = fmt.Errorf("%s: %s is wrong in (slots, from, to, bad, total) = %s", k.name, table, got)
		}
		return err
	})
}

// spans counts the events in SQL.
func (k *promise) spans(ctx context.Context, db *clickhouse.DB) (bad, total uint64, err error) {
	err = db.QueryRow(ctx, "SELECT countIf("+k.bad+"), count() FROM spans WHERE service = 'crash' AND ("+k.event+")").Scan(&bad, &total)
	return bad, total, err
}
