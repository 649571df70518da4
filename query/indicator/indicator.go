// Package indicator answers in SQL what the events of a service level indicator were and which of them were bad: exactly
// from spans, as the write path counts them, and fast from the RED rollups for previews. It also says who spent an error
// budget, shows bad events, and suggests objectives.
package indicator

import (
	"context"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
)

// Spenders says what bad events have in common that good ones have not.
type Spenders struct {
	From, To   time.Time
	Bad, Total int64 // of the events that were read
	// Covered is the share of the range's bad events that were read, 1 for all.
	Covered    float64
	Dimensions []Dimension
}

// Dimension is a way to tell events apart: operation, version, instance, status, dependency, client, or the key that the
// indicator groups by.
type Dimension struct {
	Name   string
	Values []Spender // those with the most bad events, at most ten
	Others Spender   // the rest together; Value is empty
	// Sampled is how many events the numbers are from, where not all were looked at; 0 means all.
	Sampled int
}

// Spender is a value of a dimension. Value is "unknown" where events have none.
type Spender struct {
	Value     string
	Bad, Good int64
	ShareBad  float64 // of all bad events
	ShareGood float64 // of all good events
	// Lift is how much more often a bad event has the value than a good one: ShareBad / ShareGood. It is +Inf when no good
	// event has it, NaN when no event at all.
	Lift float64
}

// WhoSpent returns the spenders of [from, to).
func WhoSpent(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time) (Spenders, error) {
	return Spenders{}, nil
}

// Example is a bad event.
type Example struct {
	TraceID    string // hexadecimal
	SpanID     string
	Time       time.Time
	Operation  string
	Version    string
	HTTPStatus int    // 0 when not HTTP
	ErrorType  string // empty when it has none
	Error      bool   // counted as an error; else it is bad for another reason
	Slow       bool   // above the indicator's duration
	Duration   time.Duration
	Instance   string
}

// Examples returns at most limit bad events of [from, to), spread over what they have in common, the newest first.
func Examples(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time, limit int) ([]Example, error) {
	return nil, nil
}
