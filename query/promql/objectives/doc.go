// Package objectives computes the metrics of service level objectives for PromQL: nothing is stored for them beyond what
// the objectives need anyway. [Metrics] implements store.Virtual.
//
//	loadline_slo_objective                     gauge, the promised share of good events, 0 to 1
//	loadline_slo_error_budget_remaining_ratio  gauge, the share of the budget that is left, below 0 when it is overspent
//	loadline_slo_burn_rate                     gauge, how many times as fast as it may the budget burns
//	  window (5m, 1h, … as the rules of the objective look at)
//	loadline_slo_events_total                  counters, events of the indicator and the bad ones among them
//	loadline_slo_bad_events_total
//	loadline_slo_alert_state                   gauge, 0 inactive, 1 pending, 2 firing
//	  rule (the tier of the policy), severity (page, ticket)
//
// All have the labels slo, objective, group, service and owner; those without a value are absent. A group is a value of
// the key that an indicator counts by, and series without the label group are of all events.
//
// # Samples
//
// The newest sample is that of the last evaluation, in event time. Before it the metrics are as they would be computed
// now: late spans, corrections and backfilled time are in them, and a definition counts as if it had always been the
// present one. Rules are the exception: their state is what it was.
//
// The counters are exact for windows that begin and end at slots, as those of package red are, and mean nothing but
// their differences. Other windows are extrapolated as with any scraped counter. Time that a correction takes out of an
// objective is in them. Before the 35 days that slots of 10 seconds are kept for, those of 5 minutes are read, in which
// windows of less than ten minutes find nothing. Composites count slices of time and have no events of their own, hence
// no counters.
//
// A question about the present is answered from memory, for any number of objectives. One about the past costs a
// statement for each objective and is limited to maxHistories of them for budgets and burn rates.
package objectives
