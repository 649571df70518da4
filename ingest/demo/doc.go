// Package demo sends telemetry over OTLP as applications do. Run and Backfill play a web shop (package shop) for
// `loadline demo`: the one through the OpenTelemetry SDK's exporters, the other with sparse sampled traces of the past.
// Load is the sender behind benchmarks and crash tests: cheap spans (package generator) with ids a test can compute.
package demo

import "loadline/ingest/demo/sender"

// The transports of OTLP.
const (
	GRPC = sender.GRPC
	HTTP = sender.HTTP
)
