package port

import (
	"net"
	"os"
	"testing"
)

func TestOwner(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	pid, name := Owner(addr)
	if _, statErr := os.Stat("/proc/net/tcp"); statErr == nil {
		if pid != os.Getpid() || name == "" {
			t.Errorf("owner of our own port is pid %d (%q), want %d", pid, name, os.Getpid())
		}
	} else if pid != 0 {
		t.Errorf("pid %d without /proc", pid)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if pid, name := Owner(addr); pid != 0 {
		t.Errorf("a free port belongs to pid %d (%q)", pid, name)
	}
	if pid, _ := Owner("nonsense"); pid != 0 {
		t.Errorf("nonsense belongs to pid %d", pid)
	}
}
