//go:build !linux

package wal

import "testing"

func smallFileSystem(t *testing.T) string {
	t.Helper()
	t.Skip("no portable way to mount a small file system; TestDiskFull runs everywhere")
	return ""
}
