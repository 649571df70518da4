package server

import (
	"net"
	"os"
	"strings"
	"testing"
)

func TestListenNamesWhoIsInTheWay(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = listen(t.Context(), "http.addr", taken.Addr().String())
	if err == nil {
		t.Fatal("no error for a port in use")
	}
	want := "http.addr: cannot listen on " + taken.Addr().String() + ": address in use"
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %q, want %q", err, want)
	}
	if _, statErr := os.Stat("/proc/net/tcp"); statErr == nil && !strings.Contains(err.Error(), "by pid ") {
		t.Errorf("%q does not name the process", err)
	}
}
