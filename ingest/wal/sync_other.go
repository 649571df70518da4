//go:build !linux

package wal

import "os"

// syncData makes the file durable (F_FULLFSYNC on macOS).
func syncData(f *os.File) error { return f.Sync() }
