// Package red gives what is counted from spans to PromQL.
package red
