package wire

import "time"

// Spenders says what bad events have in common that good ones have not.
type Spenders struct {
	From       time.Time   `json:"from"`
	To         time.Time   `json:"to"`
	Bad        int64       `json:"bad"`
	Total      int64       `json:"total"`
	Covered    Number      `json:"covered"` // share of the bad events that were looked at
	Dimensions []Dimension `json:"dimensions"`
}

// Dimension is a way to tell events apart.
type Dimension struct {
	Name    string    `json:"name"`
	Values  []Spender `json:"values"`
	Others  Spender   `json:"others"`
	Sampled int       `json:"sampled,omitempty"` // events that the numbers are from; 0 for all
}

// Spender is a value of a dimension.
type Spender struct {
	Value     string `json:"value"`
	Bad       int64  `json:"bad"`
	Good      int64  `json:"good"`
	ShareBad  Number `json:"share_bad"`
	ShareGood Number `json:"share_good"`
	Lift      Number `json:"lift"` // share_bad / share_good; null when no good event has the value
}

// Example is a bad event.
type Example struct {
	TraceID   string    `json:"trace_id"`
	SpanID    string    `json:"span_id"`
	Time      time.Time `json:"time"`
	Operation string    `json:"operation"`
	Version   string    `json:"version,omitempty"`
	Status    int       `json:"http_status,omitempty"`
	ErrorType string    `json:"error_type,omitempty"`
	Error     bool      `json:"error"`
	Slow      bool      `json:"slow"`
	Seconds   Number    `json:"duration_seconds"`
	Instance  string    `json:"instance,omitempty"`
	URL       string    `json:"url"` // path of the page of the trace
}

// Suggestion is an endpoint with the objectives that suit it.
type Suggestion struct {
	Env                string `json:"env,omitempty"`
	Service            string `json:"service"`
	Operation          string `json:"operation"`
	Requests           Number `json:"requests"`
	Availability       Number `json:"availability"`
	AvailabilityTarget string `json:"availability_target,omitempty"` // in percent
	Threshold          Number `json:"latency_threshold_seconds"`
	Fast               Number `json:"latency_attained"`
	LatencyTarget      string `json:"latency_target,omitempty"`
	P50                Number `json:"p50_seconds"`
	P95                Number `json:"p95_seconds"`
	P99                Number `json:"p99_seconds"`
}
