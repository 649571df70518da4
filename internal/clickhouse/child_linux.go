package clickhouse

import "syscall"

// childAttributes: the engine dies with this process, and a ^C at the terminal reaches this process only.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
