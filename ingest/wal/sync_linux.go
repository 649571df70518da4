package wal

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes the file's bytes and size durable; timestamps may lag, which
// saves a journal commit when only they changed.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return err
		}
	}
}
