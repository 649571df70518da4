package chdb

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// rowsFile is the data of an INSERT where the engine can read it.
type rowsFile struct {
	path   string
	length int64
	close  func()
}

// anonymousFile copies rows to a file in memory that has no name but the process's own descriptor of it.
func anonymousFile(rows io.Reader) (rowsFile, error) {
	fd, err := unix.MemfdCreate("rows", unix.MFD_CLOEXEC)
	if err != nil {
		return rowsFile{}, fmt.Errorf("memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "rows")
	n, err := copyRows(f, rows)
	if err != nil {
		f.Close()
		return rowsFile{}, err
	}
	return rowsFile{path: fmt.Sprintf("/proc/self/fd/%d", fd), length: n, close: func() { f.Close() }}, nil
}
