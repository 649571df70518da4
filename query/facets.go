package query

import "context"

// A Facet is how the selected spans divide by one key.
type Facet struct {
	Key    string
	Values []FacetValue // most frequent first, at most 20
	Others float64      // share of spans with other values or without the key
}

// A FacetValue is one value of a facet.
type FacetValue struct {
	Value      string
	Count      float64 // estimated for the whole range when the facets are sampled
	Share      float64 // of all selected spans, 0 to 1
	ErrorShare float64 // of the spans with this value
}

// Facets are the divisions by several keys.
type Facets struct {
	Facets  []Facet
	Total   float64 // selected spans
	Sampled bool    // counted on a sample and scaled up
}

// Facets counts the spans of q by each key. Keys are those of a [Matcher]. What the rollup knows is counted exactly;
// other keys are counted on the newest matching spans, at most 20,000, and scaled.
func (s *Store) Facets(ctx context.Context, q TraceQuery, keys []string) (*Facets, error) {
	return nil, errPending
}

// A Suggestion is a key or value to complete what a user types.
type Suggestion struct {
	Text  string
	Count uint64 // in the sample; only good for order
}

// SuggestKeys returns keys that start with prefix and occur on recent selected spans or on resources: well-known keys
// first, then by frequency, at most 50.
func (s *Store) SuggestKeys(ctx context.Context, sel Selector, r Range, prefix string) ([]Suggestion, error) {
	return nil, errPending
}

// SuggestValues returns values of key that contain prefix, most frequent first, at most 50.
func (s *Store) SuggestValues(ctx context.Context, sel Selector, r Range, key, prefix string) ([]Suggestion, error) {
	return nil, errPending
}
