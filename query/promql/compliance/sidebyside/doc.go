// Package sidebyside measures Loadline, Prometheus and VictoriaMetrics on the same samples and queries: CPU time of the
// server processes, and bytes on disk. It has benchmarks only; `make bench-promql` runs them and prints tables.
package sidebyside
