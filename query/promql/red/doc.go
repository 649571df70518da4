// Package red computes metrics for PromQL from what is counted of spans anyway: nothing is stored for them, and they
// cost nothing until they are asked for. [Metrics] implements store.Virtual.
//
//	traces_span_duration_seconds                native histogram, from the RED rollups
//	  job, service, env, version, operation, kind (server, client, …), status (ok, error), http_status_class (2xx, …)
//	traces_spanmetrics_calls_total              counter, the same in the words of the Collector and Tempo
//	  job, service, env, version, span_name, span_kind (SPAN_KIND_SERVER, …), status_code (STATUS_CODE_UNSET, STATUS_CODE_ERROR)
//	traces_service_graph_request_total          counters, from the service graph
//	traces_service_graph_request_failed_total
//	traces_service_graph_request_client_seconds native histogram, and again as …_server_seconds
//	  client, server, connection_type (database, messaging_system, virtual_node), env
//	up                                          gauge, of instances that send OTLP
//	  job, instance
//
// Labels without a value are absent. Counts and durations are adjusted for sampling. job is that of the metrics that the
// service sends over OTLP; where services of two namespaces share a name, the rollups cannot tell them apart and the
// first namespace is taken.
//
// # Buckets
//
// The rollups count in buckets up to 2^(i/8) nanoseconds. Prometheus's exponential buckets of schema 3 have bounds
// 2^(k/8) seconds, and a second is 2^(239.18/8) nanoseconds, so that the bounds do not meet. The histograms therefore
// have custom bounds (schema -53), the very ones of the rollups: what happened in a bucket is exact, as are count and
// sum. Against exact percentiles of 300 sets of 5,000 durations of one and two modes, histogram_quantile is off by 0.5 %
// on average and by 3.7 % at worst, half a bucket; histogram_fraction by 0.001 on average and 0.016 at worst. Calling
// the buckets those of schema 3 would move every percentile up by 1.6 % (1.9 % on average, 5.2 % at worst; fractions
// 0.006 and 0.064), sharing each bucket out over the two that it overlaps would be slightly worse than custom bounds
// (0.6 %, 4.0 %) and make twice the buckets. The price of custom bounds is that the histograms do not add up with
// exponential ones of other metrics.
//
// # Samples
//
// The rollups have what happened per slice; counters are added up as they are read, from the begin of the answer on:
// the values mean nothing but their differences, and do not fall. What happened in a slice shows at its end. A late span
// counts where it belongs as soon as it is there, since every answer is added up anew; the newest seconds, and in the
// service graph the newest minute, are therefore low.
//
// A series has samples from a window before something happened until a window and five minutes after, so that rates are
// 0 for a while before they end and there are no gaps within a window. Instant selectors see the samples where
// something happened.
//
// The distance of samples is chosen by the question, and the coarsest rollup that has it is read; the newest two minutes
// are always from the finest. When windows of rate() and increase() begin and end at slices (10 s; a minute in the
// service graph), as in every chart whose steps are, only the values there are given, each twice, a millisecond apart:
// as a window excludes its begin, that makes increase() the exact count, and rate(x[10s]) possible. Other windows
// get samples at a thirtieth of their width and are extrapolated as with any scraped counter; what is counted within
// the answer is then added to all values, because the engine takes a low one for the begin of the counter. Ranges before the 15 days
// that the finest rollup is kept for are read from the coarser ones, in which windows of less than ten minutes find
// nothing.
//
// An answer is limited to ten million values; more is an error, not memory. 500 series over six hours at a step of a
// minute, windows of five, are read in a second and a million rows, of which the engine needs a quarter.
//
// # Liveness
//
// up is 1 at a time when the instance sent spans, logs or data points in the five minutes before, then 0 for an hour, or
// for up to two when it was not heard of within the answer, since the table of resources knows that by the hour. Spans
// and logs are asked by the column that names the resource; long ranges of much traffic take seconds. The data points
// of instances without either are found by a few of their series.
package red
