// Package query answers every question that a page or an API asks of stored telemetry: requests, errors and latency
// (RED) of services and endpoints, traces and the search for them, who calls whom, deployments, logs of a trace, and
// what the storage itself holds. Its [Store] is the door to all of it.
//
// # Reading order
//
// What a question is made of comes first, and each package imports only those above it:
//
//	sql      conditions with bound values, the loop over rows, arrays and maps as RowBinary
//	filter   selectors and matchers, their text form, and which column or attribute a key is
//	trace    ids, one trace and its logs, the tree of its spans and what took the time
//	rollup   time ranges, which RED rollup has them, totals and percentiles
//	search   traces that match: which slices, which spans, a summary of each
//	facet    how spans divide by the values of a key, and completion of what is typed
//
// This package has what is left: the numbers of services, endpoints, edges, instances and the storage, for which
// nobody needs more than one table.
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
