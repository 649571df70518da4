package doctor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"loadline/cmd/loadline/config"
	"loadline/internal/schema"
)

// usage is what one table holds, from the server's metrics.
type usage struct {
	bytes  float64
	oldest time.Time
}

// retention compares what the tables will hold once retention drops as much as arrives with the space there is.
func retention(ctx context.Context, cfg Config, remote bool) Check {
	const name = "retention"
	tables, err := usages(ctx, cfg.Endpoint)
	if err != nil {
		return warn(name, "check that /metrics answers", "the size of the tables is unknown: %v", err)
	}
	now, predicted := project(tables, cfg.Settings.Retention, time.Now())
	if now == 0 {
		return ok(name, "nothing is stored yet")
	}
	detail := fmt.Sprintf("%s stored, about %s once retention is reached", gib(int64(now)), gib(int64(predicted)))
	var fs unix.Statfs_t
	if remote || cfg.Settings.Storage.DSN != "" || unix.Statfs(cfg.Settings.Storage.Path, &fs) != nil {
		return ok(name, "%s", detail)
	}
	room := float64(fs.Bavail)*float64(fs.Bsize) + now
	if predicted > 0.9*room {
		return warn(name, "shorten retention, or bound it with retention.traces_size", "%s, and the disk has room for %s", detail, gib(int64(room)))
	}
	return ok(name, "%s, the disk has room for %s", detail, gib(int64(room)))
}

// project extrapolates tables from their age to their retention. Less than a day of data says too little about a day
// to come and counts as a whole one.
func project(tables map[string]usage, r config.Retention, at time.Time) (now, predicted float64) {
	for table, u := range tables {
		now += u.bytes
		keep, size := limits(table, r)
		age := max(at.Sub(u.oldest), 24*time.Hour)
		want := u.bytes
		if !u.oldest.IsZero() && keep > age {
			want *= float64(keep) / float64(age)
		}
		if size > 0 {
			want = min(want, float64(size))
		}
		predicted += want
	}
	return now, predicted
}

// limits returns the retention of the signal that a table belongs to.
func limits(table string, r config.Retention) (keep time.Duration, size int64) {
	switch {
	case table == "spans":
		return r.Traces, r.TracesSize
	case table == "trace_index" && r.TraceIndex > 0:
		return r.TraceIndex, 0
	case table == "trace_index":
		return r.Traces, 0
	case table == "red_10s":
		return atMost(r.Rollups, schema.Keep10s), r.RollupsSize
	case table == "red_5m":
		return atMost(r.Rollups, schema.Keep5m), r.RollupsSize
	case table == "red_1h" || table == "edges":
		return r.Rollups, r.RollupsSize
	case table == "logs":
		return r.Logs, r.LogsSize
	case table == "samples" || table == "chunks" || table == "histograms" || table == "exemplars":
		return r.Metrics, r.MetricsSize
	}
	return 0, 0
}

// atMost bounds a retention in which 0 means for ever.
func atMost(keep, limit time.Duration) time.Duration {
	if keep == 0 {
		return limit
	}
	return min(keep, limit)
}

var storageMetric = regexp.MustCompile(`^loadline_storage_(bytes|oldest_timestamp_seconds)\{table="([^"]+)"\} (\S+)$`)

// usages reads the sizes of the tables from the server's metrics.
func usages(ctx context.Context, endpoint string) (map[string]usage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := patient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return parseUsages(resp.Body)
}

func parseUsages(r io.Reader) (map[string]usage, error) {
	tables := map[string]usage{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m := storageMetric.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return nil, fmt.Errorf("metric %q: %w", lines.Text(), err)
		}
		u := tables[m[2]]
		if m[1] == "bytes" {
			u.bytes = value
		} else if value > 0 {
			u.oldest = time.Unix(int64(value), 0)
		}
		tables[m[2]] = u
	}
	return tables, lines.Err()
}
