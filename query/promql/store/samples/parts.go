package samples

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/query/sql"
)

// lookupInterval is for how long the parts of the tables are taken for what they were.
const lookupInterval = 2 * time.Second

// version changes whenever a bucket gets samples: cold counts what was seen to happen to chunks, hot is the newest block
// in samples, 0 when there is none.
type version struct{ cold, hot uint64 }

// bucket is a bucket that has samples.
type bucket struct {
	start     int64 // in Unix milliseconds
	version   version
	hot, cold bool // it has rows in samples; in chunks
	closed    bool // it lies in the past
}

// state is what the parts of both tables tell. It is not changed once made.
type state struct {
	hot  map[int64]uint64 // the newest block in samples by bucket
	cold map[int64]uint64 // when a bucket in chunks was last seen to change
}

// between returns the buckets that may have samples in [mint, maxt]. The current one may have got its first samples
// after the last lookup.
func (s *state) between(mint, maxt, now int64) []bucket {
	current := now - now%bucketMs
	var out []bucket
	add := func(start int64) {
		if start > maxt || start+bucketMs <= mint {
			return
		}
		b := bucket{start: start, version: version{s.cold[start], s.hot[start]}, closed: start < current}
		_, b.hot = s.hot[start]
		_, b.cold = s.cold[start]
		b.hot = b.hot || start == current
		out = append(out, b)
	}
	for start := range s.hot {
		add(start)
	}
	for start := range s.cold {
		if _, ok := s.hot[start]; !ok {
			add(start)
		}
	}
	_, hot := s.hot[current]
	_, cold := s.cold[current]
	if !hot && !cold {
		add(current)
	}
	slices.SortFunc(out, func(a, b bucket) int { return int(min(max(a.start-b.start, -1), 1)) })
	return out
}

// part is an active part of one of the tables.
type part struct {
	samples   bool
	partition string
	from, to  int64 // its first and last bucket, in Unix milliseconds
	block     uint64
}

// parts follows the parts of the tables.
type parts struct {
	mu     sync.Mutex
	at     time.Time
	last   *state
	serial uint64
	seen   map[string]uint64 // the newest block by partition of chunks
}

// state returns what is known of the parts, and looks when it is older than the interval.
func (p *parts) state(ctx context.Context, db *clickhouse.DB, now time.Time) (*state, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if age := now.Sub(p.at); p.last != nil && age >= 0 && age < lookupInterval {
		return p.last, nil
	}
	partQueries.Inc()
	var all []part
	err := sql.Scan(ctx, db, "parts", `
SELECT table = 'samples', partition_id, toInt64(toUnixTimestamp(min_time)), toInt64(toUnixTimestamp(max_time)), toUInt64(greatest(max_block_number, 0))
FROM system.parts
WHERE database = currentDatabase()
  AND table IN ('samples', 'chunks')
  AND active
  AND rows > 0
LIMIT 1000000`, nil, func(rows driver.Rows) error {
		var x part
		if err := rows.Scan(&x.samples, &x.partition, &x.from, &x.to, &x.block); err != nil {
			return err
		}
		x.from, x.to = x.from*1000, x.to*1000
		all = append(all, x)
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.last, p.at = p.next(all), now
	return p.last, nil
}

// next is the state after a look at the parts. A part with a newer block than any seen before in its partition has
// changed its buckets; merges make no newer blocks. A partition that is gone has changed all of its buckets.
func (p *parts) next(all []part) *state {
	p.serial++
	s := &state{hot: map[int64]uint64{}, cold: map[int64]uint64{}}
	seen := map[string]uint64{}
	for _, x := range all {
		if x.samples {
			s.hot[x.from] = max(s.hot[x.from], x.block+1)
			continue
		}
		newest, known := p.seen[x.partition]
		seen[x.partition] = max(seen[x.partition], x.block)
		for b := x.from - x.from%bucketMs; b <= x.to; b += bucketMs {
			was := uint64(0)
			if p.last != nil {
				was = p.last.cold[b]
			}
			if !known || x.block > newest || was == 0 {
				was = p.serial
			}
			s.cold[b] = max(s.cold[b], was)
		}
	}
	p.seen = seen
	return s
}
