// Package demo sends telemetry over OTLP as applications do. Run and Backfill play a web shop (package shop) for
// `loadline demo`: the one through the OpenTelemetry SDK's exporters, the other with sparse sampled traces of the past.
// Load is the sender behind the benchmarks and the crash tests: many cheap, realistic spans (package generator) whose ids
// a test can compute. The package knows OTLP only and works against any backend.
package demo

import "loadline/ingest/demo/sender"

// The transports that OTLP is sent over.
const GRPC, HTTP = sender.GRPC, sender.HTTP
