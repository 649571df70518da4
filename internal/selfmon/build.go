// Package selfmon is what Loadline knows about itself: which build runs, which of its parts are healthy, and its own
// metrics. Packages declare their metrics themselves, with github.com/VictoriaMetrics/metrics, at the top of the file
// that moves them.
package selfmon

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// The Makefile sets these two with -ldflags -X. They are empty in a binary made by plain `go build` or `go install`.
var version, commit string

// Build says which build of Loadline runs.
type Build struct {
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	GoVersion string `json:"go_version"`
	Platform  string `json:"platform"`
}

// BuildInfo returns the version that make stamped or, failing that, what the Go toolchain recorded. Version and Commit
// are "unknown" when neither did, as in test binaries.
func BuildInfo() Build {
	b := Build{
		Version:   version,
		Commit:    commit,
		GoVersion: runtime.Version(),
		Platform:  runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.fill(info)
	}
	if b.Version == "" {
		b.Version = "unknown"
	}
	if b.Commit == "" {
		b.Commit = "unknown"
	}
	return b
}

// fill completes what was not stamped from the toolchain's record.
func (b *Build) fill(info *debug.BuildInfo) {
	if b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	if b.Commit != "" {
		return
	}
	var modified bool
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if b.Commit != "" && modified {
		b.Commit += "-dirty"
	}
}

// String is the one-line form that the start message and `loadline version` print.
func (b Build) String() string {
	short := b.Commit
	if len(short) > 12 {
		short = short[:12]
	}
	return fmt.Sprintf("loadline %s (commit %s, %s, %s)", b.Version, short, b.GoVersion, b.Platform)
}
