// Package query answers every question that a page or an API asks of stored telemetry: requests, errors and latency
// (RED) of services and endpoints, traces and the search for them, who calls whom, deployments, logs of a trace, and
// what the storage itself holds.
//
// # Cost
//
// Rates, error ratios and percentiles are read from the rollups (red_10s, red_5m, red_1h) and never from spans, so
// their cost follows the number of endpoints and points on the screen, not traffic. Spans are read in two ways: a
// trace by its id through trace_index, and a search, which asks the rollup first in which slices a match can be and
// then reads those newest first until the page is full or its time is up.
//
// # Numbers
//
// Requests, errors and durations are adjusted for sampling: a span that stands for ten counts as ten. Percentiles
// come from histograms of eight buckets per power of two and are within 4.5 % of the exact value. A scalar that has
// no data is zero and its Requests are zero too; in series over time a missing value is NaN, so that gaps stay gaps.
//
// All methods of [Store] may be called concurrently.
package query
