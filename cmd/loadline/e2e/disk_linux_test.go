package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace is set in a test that has been started again as its own root.
const inNamespace = "E2E_NAMESPACE"

// smallDisk mounts a file system of some bytes of memory. Whoever may not mount is root in a user namespace of his own:
// the test then runs there, in another process, and ok is false here.
func smallDisk(t *testing.T, bytes int) (dir string, ok bool) {
	t.Helper()
	dir = t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
	if errors.Is(err, unix.EPERM) && os.Getenv(inNamespace) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		out, err := cmd.CombinedOutput()
		t.Logf("in a user namespace:\n%s", out)
		if err != nil {
			t.Errorf("in a user namespace: %v", err)
		}
		return "", false
	}
	if err != nil {
		t.Fatalf("mount a small file system: %v; run this test where mounting or user namespaces are allowed", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil { // it goes with the last process that uses it
			t.Error(err)
		}
	})
	return dir, true
}

// TestDiskFull fills the file system of the data directory from outside.
func TestDiskFull(t *testing.T) {
	dir, ok := smallDisk(t, 400<<20)
	if !ok {
		return
	}
	p := serve(t, dir)
	l := load{id: 0xd15c, service: "disk"}
	ballast := filepath.Join(dir, "ballast")
	for n := range 4 {
		if err := post(t.Context(), http.DefaultClient, p.http, "traces", bulk(l, 2000+n)); err != nil {
			t.Fatal(err)
		}
	}
	fillDisk(t, ballast)
	n, refused := fill(t, p, l)
	t.Logf("disk full: %d requests are acknowledged", n)
	refuses(t, p, refused, "disk full")
	ready(t, p, http.StatusServiceUnavailable, "free space")
	// A crash in this state loses nothing. With a full disk it cannot start, and says why.
	p.stop(t, syscall.SIGKILL)
	startFails(t, []string{"--storage.path", dir}, 7, "no space left on device", "free the disk")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	p = serve(t, dir)
	_, db := p.open(t)
	accepted(t, p, db, l, refused, 8*(4+n+1))
	ready(t, p, http.StatusOK, "")
}

// TestLogLeavesRoom lets the log grow on a small disk while the engine is paused. The log must not take the room that
// the engine needs to empty it.
func TestLogLeavesRoom(t *testing.T) {
	dir, ok := smallDisk(t, 512<<20)
	if !ok {
		return
	}
	p := serve(t, dir)
	_, db := p.open(t)
	engine := p.engine()
	if err := syscall.Kill(engine, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	l := load{id: 0x1ea5e, service: "room"}
	n, refused := fill(t, p, l)
	t.Logf("%d requests of %d bytes are acknowledged", n, len(refused))
	refuses(t, p, refused, "disk full")
	if err := syscall.Kill(engine, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	accepted(t, p, db, l, refused, 8*(n+1))
}

// fillDisk writes a file until nothing fits any more.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		if _, err := f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
