// Package compliance shows that PromQL on Loadline is Prometheus's: it runs Prometheus's own test scripts and a list of
// queries of its own against the engine, the storage and the running program, and measures them side by side with
// Prometheus and VictoriaMetrics. It is a module of its own because Prometheus's tests need Prometheus's whole database,
// which the product does not.
package compliance
