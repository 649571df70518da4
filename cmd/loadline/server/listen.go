package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"loadline/cmd/loadline/fault"
	"loadline/cmd/loadline/port"
)

// listen opens a TCP listener for the setting key. Its errors are faults that name the process in the way.
func listen(ctx context.Context, key, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, listenFault(key, addr, err)
	}
	return l, nil
}

// listenFault says why the address of the setting key cannot be had, and what to do.
func listenFault(key, addr string, err error) *fault.Error {
	f := &fault.Error{Code: fault.Config}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		by := ""
		if pid, name := port.Owner(addr); pid != 0 {
			by = fmt.Sprintf(" by pid %d (%s)", pid, name)
		}
		f.Err = fmt.Errorf("%s: cannot listen on %s: address in use%s", key, addr, by)
		f.Hint = fmt.Sprintf("stop that process, or choose another address with --%s", key)
	case errors.Is(err, syscall.EACCES):
		f.Err = fmt.Errorf("%s: cannot listen on %s: permission denied", key, addr)
		f.Hint = fmt.Sprintf("choose a port above 1023 with --%s", key)
	default:
		f.Err = fmt.Errorf("%s: cannot listen on %s: %w", key, addr, err)
		f.Hint = fmt.Sprintf("give an address of this machine with --%s", key)
	}
	return f
}
