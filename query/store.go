package query

import (
	"context"

	"loadline/internal/clickhouse"
	"loadline/query/facet"
	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/search"
	"loadline/query/trace"
)

// A Store answers questions from one ClickHouse.
type Store struct {
	db *clickhouse.DB
}

// New returns a store that reads from db.
func New(db *clickhouse.DB) *Store {
	return &Store{db: db}
}

// Trace returns a trace, or [trace.ErrNotFound].
func (s *Store) Trace(ctx context.Context, id trace.ID) (*trace.Trace, error) {
	return trace.Read(ctx, s.db, id)
}

// Span returns one span with all its detail and its resource, or [trace.ErrNotFound].
func (s *Store) Span(ctx context.Context, id trace.ID, span trace.SpanID) (*trace.Span, *trace.Resource, error) {
	return trace.ReadSpan(ctx, s.db, id, span)
}

// LogsOfTrace returns the log records of a trace in order of time, see [trace.ReadLogs].
func (s *Store) LogsOfTrace(ctx context.Context, id trace.ID) ([]trace.LogRecord, error) {
	return trace.ReadLogs(ctx, s.db, id)
}

// SearchTraces returns a page of traces that match, see [search.Traces].
func (s *Store) SearchTraces(ctx context.Context, q search.Query) (*search.List, error) {
	return search.Traces(ctx, s.db, q)
}

// Facets counts the spans of q by each key, see [facet.Count].
func (s *Store) Facets(ctx context.Context, q search.Query, keys []string) (*facet.Facets, error) {
	return facet.Count(ctx, s.db, q, keys)
}

// SuggestKeys returns keys to complete prefix, see [facet.SuggestKeys].
func (s *Store) SuggestKeys(ctx context.Context, sel filter.Selector, r rollup.Range, prefix string) ([]facet.Suggestion, error) {
	return facet.SuggestKeys(ctx, s.db, sel, r, prefix)
}

// SuggestValues returns values of key to complete prefix, see [facet.SuggestValues].
func (s *Store) SuggestValues(ctx context.Context, sel filter.Selector, r rollup.Range, key, prefix string) ([]facet.Suggestion, error) {
	return facet.SuggestValues(ctx, s.db, sel, r, key, prefix)
}
