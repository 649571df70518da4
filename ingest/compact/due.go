package compact

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	bucketLength = 2 * time.Hour
	// settle is how long a bucket must not have been written to.
	settle = time.Minute
	// patience is how long a bucket that is written to again and again is waited for.
	patience = 30 * time.Minute
)

// part is an active part of the table samples.
type part struct {
	bucket   int64 // Unix seconds
	name     string
	modified time.Time
}

// partition is a bucket and its parts.
type partition struct {
	bucket int64
	parts  []string
}

// parts lists the active parts of samples, oldest bucket first.
func (c *Compactor) parts(ctx context.Context) ([]part, error) {
	rows, err := c.db.Query(ctx, `
SELECT toInt64(toUnixTimestamp(min_time)) AS bucket, name, modification_time
FROM system.parts
WHERE active AND database = currentDatabase() AND table = 'samples' AND rows > 0
ORDER BY bucket, min_block_number`)
	if err != nil {
		return nil, fmt.Errorf("list parts of samples: %w", err)
	}
	defer rows.Close()
	var parts []part
	for rows.Next() {
		var p part
		if err := rows.Scan(&p.bucket, &p.name, &p.modified); err != nil {
			return nil, fmt.Errorf("list parts of samples: %w", err)
		}
		parts = append(parts, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list parts of samples: %w", err)
	}
	return parts, nil
}

// due decides which buckets to pack: those that ended longer than grace ago and have not been written to for a while, or
// have been waited for long enough. A backfill writes to many old buckets at once, and packing each of them once a minute
// would give its series many small chunks. waiting remembers since when buckets wait; parts are in the order of buckets.
func due(parts []part, waiting map[int64]time.Time, grace time.Duration, now time.Time) []partition {
	var all []partition
	present := map[int64]bool{}
	for len(parts) > 0 {
		p := partition{bucket: parts[0].bucket}
		n := slices.IndexFunc(parts, func(other part) bool { return other.bucket != p.bucket })
		if n < 0 {
			n = len(parts)
		}
		var newest time.Time
		for _, one := range parts[:n] {
			p.parts = append(p.parts, one.name)
			if one.modified.After(newest) {
				newest = one.modified
			}
		}
		parts = parts[n:]
		if !time.Unix(p.bucket, 0).Add(bucketLength + grace).Before(now) {
			continue
		}
		present[p.bucket] = true
		since, known := waiting[p.bucket]
		if !known {
			since = now
			waiting[p.bucket] = now
		}
		if now.Sub(newest) > settle || now.Sub(since) > patience {
			all = append(all, p)
		}
	}
	for bucket := range waiting {
		if !present[bucket] {
			delete(waiting, bucket)
		}
	}
	return all
}
