package store

import (
	"context"
	"maps"
	"slices"

	"loadline/query/promql/store/cardinality"
)

// Metadata describes metrics by family name: one of them, or all when metric is "". There are up to limit families and
// up to limitPerMetric descriptions of each, 0 standing for no limit.
func (s *Store) Metadata(ctx context.Context, metric string, limit, limitPerMetric int) (map[string][]Metadata, error) {
	stored, err := s.catalog.All(ctx)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(stored)
	for name := range s.virtual {
		all[name] = append([]Metadata{s.described[name]}, all[name]...)
	}
	names := []string{metric}
	if metric == "" {
		names = slices.Sorted(maps.Keys(all))
	}
	if limit > 0 && len(names) > limit {
		names = names[:limit]
	}
	out := map[string][]Metadata{}
	for _, name := range names {
		list := all[name]
		if limitPerMetric > 0 && len(list) > limitPerMetric {
			list = list[:limitPerMetric]
		}
		if len(list) > 0 {
			out[name] = list
		}
	}
	return out, nil
}

// Describe counts what is stored. Its lists have up to limit entries.
func (s *Store) Describe(ctx context.Context, limit int) (Stats, error) {
	return cardinality.Read(ctx, s.db, limit)
}
