package wal

import (
	"testing"

	"golang.org/x/sys/unix"
)

// smallFileSystem mounts one megabyte of memory, where mounting is allowed.
func smallFileSystem(t *testing.T) (dir string, ok bool) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Logf("mounting is not allowed here (%v); TestDiskFull runs everywhere", err)
		return "", false
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir, true
}
