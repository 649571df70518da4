//go:build !linux

package chdb

import (
	"io"
	"os"
)

// rowsFile is the data of an INSERT where the engine can read it.
type rowsFile struct {
	path   string
	length int64
	close  func()
}

// anonymousFile copies rows to a temporary file, which close removes.
func anonymousFile(rows io.Reader) (rowsFile, error) {
	f, err := os.CreateTemp("", "loadline-rows-")
	if err != nil {
		return rowsFile{}, err
	}
	remove := func() { f.Close(); os.Remove(f.Name()) }
	n, err := copyRows(f, rows)
	if err != nil {
		remove()
		return rowsFile{}, err
	}
	return rowsFile{path: f.Name(), length: n, close: remove}, nil
}
