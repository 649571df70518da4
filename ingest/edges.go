package ingest

import (
	"context"
	"fmt"
	"time"

	"loadline/internal/clickhouse"
)

// How the service graph follows the spans. A minute is computed again while its spans may still arrive, so that the
// graph is young and late spans count; after edgeDelay it is left alone.
const (
	edgeSlice    = time.Minute
	edgeInterval = 20 * time.Second
	edgeDelay    = 20 * time.Second
	edgeCatchUp  = time.Hour
	// edgeSpans bounds the spans that are joined for a minute. Above it, one trace in n is, and counts n times.
	edgeSpans = 500_000
)

// RunEdges keeps the table edges up to date until ctx is done. One node of a deployment needs to run it; more do no
// harm.
func (p *Pipeline) RunEdges(ctx context.Context) error {
	ticker := time.NewTicker(edgeInterval)
	defer ticker.Stop()
	from := time.Now().Add(-edgeCatchUp)
	for {
		now := time.Now()
		for slice := from.Truncate(edgeSlice); !slice.After(now.Add(-edgeDelay)); slice = slice.Add(edgeSlice) {
			if err := ComputeEdges(ctx, p.db, slice); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				p.logger.Warn("service graph is not up to date", "slice", slice, "error", err)
				break
			}
			from = slice
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// ComputeEdges replaces the service graph of the minute that starts at slice.
func ComputeEdges(ctx context.Context, db *clickhouse.DB, slice time.Time) error {
	window := []any{
		clickhouse.Named("from", slice.UTC().Format(time.DateTime)),
		clickhouse.Named("to", slice.UTC().Add(edgeSlice).Format(time.DateTime)),
	}
	var spans uint64
	err := db.QueryRow(ctx, `
		SELECT sum(spans)
		FROM red_10s
		WHERE slice >= {from:DateTime('UTC')} AND slice < {to:DateTime('UTC')}`, window...).Scan(&spans)
	if err != nil {
		return fmt.Errorf("count spans: %w", err)
	}
	if spans == 0 {
		return nil
	}
	// A client span belongs to the service whose span is its child, else to the peer that its attributes name. Work that
	// passes a queue is two edges, into the queue and out of it. The child may start in the next slices.
	err = db.Exec(ctx, `
		INSERT INTO edges (slice, env, client, server, server_type, calls, errors, duration, latency)
		WITH
			{every:UInt64} AS every,
			sampled AS
			(
				SELECT trace_id, span_id, env, service, kind, peer, peer_type, error, duration, weight * every AS n
				FROM spans
				WHERE slice >= {from:DateTime('UTC')} AND slice < {to:DateTime('UTC')}
				  AND kind IN ('client', 'producer', 'consumer') AND cityHash64(trace_id) % every = 0
			),
			children AS
			(
				SELECT trace_id, parent_id, any(service) AS service
				FROM spans
				WHERE slice >= {from:DateTime('UTC')} AND slice < {to:DateTime('UTC')} + INTERVAL 1 MINUTE
				  AND kind = 'server' AND cityHash64(trace_id) % every = 0
				GROUP BY trace_id, parent_id
			)
		SELECT
			{from:DateTime('UTC')}, s.env,
			if(s.kind = 'consumer', s.peer, s.service) AS client,
			multiIf(s.kind = 'consumer', s.service, c.service != '', c.service, s.peer) AS server,
			multiIf(s.kind = 'consumer' OR c.service != '', 'service', s.peer_type != '', s.peer_type, 'external') AS server_type,
			sum(n), sumIf(n, s.error), sum(n * s.duration),
			sumMap([if(s.duration <= 1, 0, toInt16(ceil(log2(s.duration) * 8)))], [n])
		FROM sampled AS s
		LEFT JOIN children AS c ON s.trace_id = c.trace_id AND s.span_id = c.parent_id
		WHERE client != '' AND server != ''
		GROUP BY s.env, client, server, server_type`,
		append(window, clickhouse.Named("every", fmt.Sprint((spans+edgeSpans-1)/edgeSpans)))...)
	if err != nil {
		return fmt.Errorf("compute service graph: %w", err)
	}
	return nil
}
