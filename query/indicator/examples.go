package indicator

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/indicator/events"
	"loadline/query/sql"
)

// Example is a bad event.
type Example struct {
	TraceID    string // hexadecimal
	SpanID     string
	Time       time.Time
	Operation  string
	Version    string
	HTTPStatus int    // 0 when not HTTP
	ErrorType  string // empty when it has none
	Error      bool   // RED counts it as an error
	Slow       bool   // above the indicator's duration
	Duration   time.Duration
	Instance   string // empty when unknown

	resource uint64
}

const (
	maxExamples  = 100
	examplesTime = 150 * time.Millisecond // of a part of the search
	maxParts     = 6                      // of the search
)

// Examples returns at most limit bad events of [from, to), at most 100, the newest first. They are spread over causes, which
// are the operation, the HTTP status, the type of the error and whether it was slow: each has its newest event before
// any has two. The times with the most bad events are read first, and reading ends when there are enough.
func Examples(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time, limit int) ([]Example, error) {
	limit = min(max(limit, 1), maxExamples)
	ind, err := ind.Canonical()
	if err != nil {
		return nil, err
	}
	times, err := events.Find(ctx, db, ind, from, to)
	if err != nil {
		return nil, err
	}
	var found []Example
	for range maxParts {
		p, ok := times.Next(from, to, examplesTime)
		if !ok {
			break
		}
		list, err := readExamples(ctx, db, ind, p, limit)
		if err != nil {
			return nil, err
		}
		if found = append(found, list...); len(found) >= limit {
			break
		}
	}
	found = spreadCauses(found, limit)
	return found, locateExamples(ctx, db, found)
}

// readExamples reads the newest bad events of each cause.
func readExamples(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, p events.Part, limit int) ([]Example, error) {
	c, err := p.Conditions(ind)
	if err != nil {
		return nil, err
	}
	c.Add(c.Bad)
	slow := "0"
	if ind.Bad.Slower > 0 {
		slow = "duration > " + c.Bind("UInt64", uint64(ind.Bad.Slower))
	}
	statement := `
SELECT ts, trace_id, span_id, operation, version, http_status, error_type, error, toBool(` + slow + `) AS slow, duration, resource_id
FROM ` + c.From() + `
WHERE ` + c.String() + `
ORDER BY ts DESC
LIMIT ` + strconv.Itoa(limit) + ` BY operation, http_status, error_type, slow
LIMIT ` + strconv.Itoa(50*limit)
	var list []Example
	err = sql.Scan(ctx, db, "bad events", statement, c.Args, func(rows driver.Rows) error {
		var e Example
		var id, span string
		var status uint16
		var duration uint64
		err := rows.Scan(&e.Time, &id, &span, &e.Operation, &e.Version, &status, &e.ErrorType, &e.Error, &e.Slow, &duration, &e.resource)
		e.TraceID, e.SpanID = hex.EncodeToString([]byte(id)), hex.EncodeToString([]byte(span))
		e.Time, e.HTTPStatus, e.Duration = e.Time.UTC(), int(status), time.Duration(duration)
		list = append(list, e)
		return err
	})
	return list, err
}

// spreadCauses keeps as many examples as are wanted, of each cause in turn.
func spreadCauses(list []Example, limit int) []Example {
	type cause struct {
		operation, errorType string
		status               int
		slow                 bool
	}
	newest := func(a, b Example) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.SpanID, b.SpanID))
	}
	slices.SortFunc(list, newest)
	nth := make([]int, len(list)) // of its cause
	seen := map[cause]int{}
	for i, e := range list {
		c := cause{e.Operation, e.ErrorType, e.HTTPStatus, e.Slow}
		nth[i] = seen[c]
		seen[c]++
	}
	var out []Example
	for round := 0; len(out) < limit && len(out) < len(list); round++ {
		for i, e := range list {
			if nth[i] == round && len(out) < limit {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, newest)
	return out
}

// locateExamples fills in the instances.
func locateExamples(ctx context.Context, db *clickhouse.DB, list []Example) error {
	if len(list) == 0 {
		return nil
	}
	var ids []uint64
	for _, e := range list {
		ids = append(ids, e.resource)
	}
	slices.Sort(ids)
	names, err := instances(ctx, db, slices.Compact(ids))
	for i := range list {
		list[i].Instance = names[list[i].resource]
	}
	return err
}
