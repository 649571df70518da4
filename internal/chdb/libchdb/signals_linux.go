package libchdb

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// sigaction is the kernel's struct of rt_sigaction on amd64 and arm64.
type sigaction struct{ handler, flags, restorer, mask uintptr }

// signalActions are the actions of all 64 signals of a process.
type signalActions [65]sigaction

// saveSignals reads the process's signal actions as the kernel has them.
func saveSignals() signalActions {
	var a signalActions
	for i := 1; i < len(a); i++ {
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(i), 0, uintptr(unsafe.Pointer(&a[i])), 8, 0, 0)
	}
	return a
}

// restore puts back the actions that have changed since saveSignals. Signal 34 belongs to the C library's threads.
func (a *signalActions) restore() {
	now := saveSignals()
	for i := 1; i < len(a); i++ {
		if i == int(unix.SIGKILL) || i == int(unix.SIGSTOP) || i == 34 || a[i] == now[i] {
			continue
		}
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(i), uintptr(unsafe.Pointer(&a[i])), 0, 8, 0, 0)
	}
}
