// Package catalog knows what metrics are: their types, units and descriptions, and their names in OpenTelemetry.
package catalog

import (
	"context"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/query/promql/store/memo"
	"loadline/query/sql"
)

// Metadata describes a metric family.
type Metadata struct {
	Type     string // counter, gauge, histogram, summary, unknown
	Unit     string
	Help     string
	OTelName string // the name that OpenTelemetry knows the metric by, empty when it came another way
}

// age is for how long descriptions are believed.
const age = 10 * time.Second

// Catalog is the descriptions in a database. It is safe for concurrent use.
type Catalog struct {
	db         *clickhouse.DB
	now        func() time.Time
	generation func() uint64
	known      memo.Of[*known]
}

// known is all descriptions.
type known struct {
	byName map[string][]Metadata // by the name that Prometheus knows the metric by
	byOTel map[string][]string   // those names by OpenTelemetry's
}

// New returns the catalog of a database. The generation changes when there may be new metrics.
func New(db *clickhouse.DB, now func() time.Time, generation func() uint64) *Catalog {
	return &Catalog{db: db, now: now, generation: generation}
}

// All returns the descriptions by metric family, the latest first, up to ten seconds late. They are not to be changed.
func (c *Catalog) All(ctx context.Context) (map[string][]Metadata, error) {
	k, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	return k.byName, nil
}

// Names returns the metric families that OpenTelemetry knows by a name.
func (c *Catalog) Names(ctx context.Context, otelName string) ([]string, error) {
	k, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	return k.byOTel[otelName], nil
}

func (c *Catalog) read(ctx context.Context) (*known, error) {
	return c.known.Get(c.now(), age, c.generation(), func() (*known, error) {
		k := &known{byName: map[string][]Metadata{}, byOTel: map[string][]string{}}
		err := sql.Scan(ctx, c.db, "metadata", `
SELECT toString(metric), toString(type), toString(unit), argMax(help, last_seen), toString(otel_name)
FROM metadata
GROUP BY metric, type, unit, otel_name
ORDER BY metric, max(last_seen) DESC, type, unit, otel_name
LIMIT 1000000`, nil, func(rows driver.Rows) error {
			var name string
			var m Metadata
			if err := rows.Scan(&name, &m.Type, &m.Unit, &m.Help, &m.OTelName); err != nil {
				return err
			}
			if !slices.Contains(k.byName[name], m) {
				k.byName[name] = append(k.byName[name], m)
			}
			if m.OTelName != "" && !slices.Contains(k.byOTel[m.OTelName], name) {
				k.byOTel[m.OTelName] = append(k.byOTel[m.OTelName], name)
			}
			return nil
		})
		return k, err
	})
}
