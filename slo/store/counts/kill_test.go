package counts

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"loadline/internal/chdb"
	"loadline/internal/clickhouse"
	"loadline/internal/schema"
)

// workerDir makes the test binary the process to be killed: it changes the counts of the database in that directory until
// then. workerCheck makes it look at them instead.
const (
	workerDir   = "COUNTS_WORKER_DIR"
	workerCheck = "COUNTS_WORKER_CHECK"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(workerDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := worker(dir, os.Getenv(workerCheck) != ""); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func worker(dir string, check bool) error {
	e, err := chdb.Open(chdb.Config{DataDir: dir, MaxMemory: 1 << 30})
	if err != nil {
		return err
	}
	defer e.Close()
	db, err := clickhouse.Open(ctx, clickhouse.Config{Transport: e.RoundTripper()})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := schema.Migrate(ctx, db); err != nil {
		return err
	}
	s := New(db)
	if check {
		return agree(db, s)
	}
	from := now.Unix() - 7200
	for batch := uint64(time.Now().UnixMilli()); ; batch++ {
		// One line a change tells the test how far it is.
		fmt.Println("next")
		begin := from + 10*rand.Int64N(30)
		r := Recount{Indicator: rand.Uint64N(3), From: begin, To: begin + 300}
		for slot := r.From; slot < r.To; slot += 10 {
			r.Counts = append(r.Counts, Count{Slot: slot, Bad: rand.Int64N(5), Total: 5 + rand.Int64N(100)})
		}
		if _, err := s.Replace(ctx, now, []Recount{r}); err != nil {
			return err
		}
		if err := s.Insert(ctx, now, batch, []Delta{{Indicator: 9, Slot: now.Unix() + 10*rand.Int64N(60), Total: 1}}); err != nil {
			return err
		}
	}
}

// agree fails unless the tiers and the journal have the same counts.
func agree(db *clickhouse.DB, s *Store) error {
	if err := s.Finish(ctx); err != nil {
		return err
	}
	for _, t := range []string{"slo_slots_5m", "slo_slots_1h", "slo_journal"} {
		length := map[string]int{"slo_slots_5m": 300, "slo_slots_1h": 3600, "slo_journal": 10}[t]
		var slots, wrong uint64
		err := db.QueryRow(ctx, fmt.Sprintf(`SELECT count(), countIf(b != 0 OR t != 0)
FROM (
  SELECT indicator, grp, intDiv(toUInt32(slice), %d) AS slot, sum(bad) AS b, sum(total) AS t
  FROM (SELECT indicator, grp, slice, bad, total FROM slo_slots_10s UNION ALL SELECT indicator, grp, slice, -bad, -total FROM %s)
  GROUP BY indicator, grp, slot)`, length, t)).Scan(&slots, &wrong)
		if err != nil {
			return err
		}
		if wrong > 0 || slots == 0 {
			return fmt.Errorf("%s: %d of %d slots differ from those of 10 s", t, wrong, slots)
		}
	}
	return nil
}

// TestKilled kills a process with the database in it in the middle of changes, again and again.
func TestKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	child := func(mode string) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), workerDir+"="+dir, workerCheck+"="+mode)
		return cmd
	}
	changes := 0
	for round := range 6 {
		cmd := child("")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 1 + rand.IntN(8); n > 0 && lines.Scan(); n-- {
			if strings.HasPrefix(lines.Text(), "error") {
				t.Errorf("round %d: %s", round, lines.Text())
			}
			changes++
		}
		// A change takes some 30 ms.
		timer := time.AfterFunc(time.Duration(rand.IntN(40_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		_, _ = io.Copy(io.Discard, out)
		timer.Stop()
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); err == nil {
			t.Errorf("round %d: the process ended by itself", round)
		}
	}
	if out, err := child("yes").CombinedOutput(); err != nil {
		t.Errorf("after %d changes: %s, %v", changes, out, err)
	}
}
