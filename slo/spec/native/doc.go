// Package native is Loadline's short form of definitions: one YAML document for an SLO, in which fields are sentences.
//
//	slo: checkout-availability
//	service: checkout-api
//	operations: [POST /v1/checkout]
//	good: no errors and within 400ms
//	objective: 99.9% over 30 days
//
// # Fields
//
//	slo          name, an RFC 1123 label                       service      that makes the promise
//	title        for people                                    description
//	owner        runbook, notify (receivers)                   labels, annotations
//	objective    how much over which time                      objectives   several, each with a name
//	slices       when a slice of time is good                  alert        when it speaks
//
// What is counted is one of these:
//
//	spans        spans_of (their service, if not service), env, operations (* stands for any text), kinds, where, good, bad,
//	             group_by and max_groups
//	ratio        good or bad, and total: PromQL that counts events of $window
//	gauge        PromQL; each series is an event each minute, and good says which values are
//	combine      other SLOs
//
// What is counted, slices and alert can stand at the top or with one of several objectives, which have it from the top
// otherwise.
//
// # Sentences
//
//	objective    PERCENT [of MINUTES | on average of MINUTES] [over DURATION | each PERIOD [from DATE] [in ZONE]]
//	             99.9% over 30 days (which is also what 99.9% means), 99.9% each month in Europe/Berlin,
//	             99.5% of minutes over 28 days, 99% on average of 5-minute slices each 2 weeks from 2026-01-05
//	good         of spans: no errors, no 5xx, 429 or UNAVAILABLE, within 400ms; joined by commas and "and", all of it holds
//	             of a gauge: below 30, at most 30, above 5, at least 5
//	where, bad   KEY = VALUE AND KEY =~ EXPRESSION, with = != =~ !~; what meets bad is bad whatever good says
//	slices       good at 95%, ignored when empty (or good, or bad)
//	combine      all of checkout, payment/fast; worst of a, b; mean of a (2), b
//	alert        page and ticket (the default), page, ticket, none, sloth or pyrra; or fields:
//	             policy or rules, for, keep_firing, min_bad, guard, hold_no_data, clamp, count (rate or budget),
//	             no_data (page, ticket or none)
//	rules        a list of: [NAME:] page at 14.4x over 1h and 5m [for 2m]
//
// Durations are 400ms, 1.5 s, 90 minutes, 1h30m, 30 days. Months, quarters and years are periods of a calendar; one that
// does not say from when begins on January 1, a week on Monday.
package native
