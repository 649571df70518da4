//go:build !linux

package wal

import "testing"

func smallFileSystem(t *testing.T) (dir string, ok bool) {
	t.Helper()
	t.Log("no portable way to mount a small file system; TestDiskFull runs everywhere")
	return "", false
}
