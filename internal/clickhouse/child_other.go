//go:build !linux

package clickhouse

import "syscall"

// childAttributes: a ^C at the terminal reaches this process only. That the engine ends with it is up to the pipe.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
