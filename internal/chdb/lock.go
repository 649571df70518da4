package chdb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockDir takes the data directory for this process. The lock goes with the process, however it ends. The engine has a
// lock of its own, but says so only on standard error.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "loadline.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder := make([]byte, 16)
		n, _ := f.ReadAt(holder, 0)
		f.Close()
		return nil, fmt.Errorf("data directory %q is in use by another process (pid %s); stop it, or choose another directory with --data-dir",
			dir, bytes.TrimSpace(holder[:n]))
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock data directory %q: %w", dir, err)
	}
	return f, nil
}
