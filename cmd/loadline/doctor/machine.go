package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"loadline/cmd/loadline/config"
	"loadline/cmd/loadline/port"
	"loadline/internal/chdb"
)

// library looks for the embedded engine, unless a ClickHouse server is configured.
func library(cfg config.Storage) Check {
	const name = "engine library"
	if cfg.DSN != "" {
		return ok(name, "not needed, storage.dsn names a ClickHouse server")
	}
	path, err := chdb.Find(cfg.Libchdb)
	if err != nil {
		return fail(name, "run `make libchdb`, or use your own ClickHouse server with --storage.dsn", "%v", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fail(name, "make the file readable", "%v", err)
	}
	return ok(name, "%s (%d MiB)", path, info.Size()>>20)
}

// Free space below which a data directory is worth a warning, and below which ClickHouse soon fails.
const (
	littleSpace = 5 << 30
	noSpace     = 512 << 20
)

// directory checks that the data directory, or the one it will be made in, can be written and has room.
func directory(settings config.Config) Check {
	const name = "data directory"
	path := settings.Storage.Path
	existing := path
	for {
		if _, err := os.Stat(existing); err == nil {
			break
		}
		parent := filepath.Dir(existing)
		if parent == existing {
			break
		}
		existing = parent
	}
	if info, err := os.Stat(existing); err == nil && !info.IsDir() {
		return fail(name, "choose another directory with --storage.path", "%s: %q is not a directory", path, existing)
	}
	if unix.Access(existing, unix.W_OK|unix.X_OK) != nil {
		return fail(name, "make it writable for this user, or choose another with --storage.path", "%s: %q is not writable", path, existing)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(existing, &fs); err != nil {
		return warn(name, "check the file system", "%s: free space is unknown: %v", path, err)
	}
	free := int64(fs.Bavail) * int64(fs.Bsize) //nolint:unconvert // the types differ between systems
	detail := fmt.Sprintf("%s, %s free", path, gib(free))
	switch {
	case free < noSpace:
		return fail(name, "free space, or shorten retention", "%s", detail)
	case free < littleSpace:
		return warn(name, "free space, or shorten retention", "%s", detail)
	case free < settings.WAL.MaxSize:
		return warn(name, "free space, or lower wal.max_size", "%s, less than wal.max_size may need (%s)", detail, config.FormatSize(settings.WAL.MaxSize))
	}
	return ok(name, "%s", detail)
}

func gib(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// wantFiles is what a busy ClickHouse and its connections need.
const wantFiles = 4096

// files checks the limit of open files. Go raises the soft limit to the hard one when a program starts, so what counts
// is the hard one.
func files() Check {
	const name = "open files"
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return warn(name, "check `ulimit -n`", "the limit is unknown: %v", err)
	}
	if limit.Max < wantFiles {
		return warn(name, "raise it with `ulimit -n 65536`, or LimitNOFILE= in the systemd unit", "at most %d", limit.Max)
	}
	if limit.Max > 1<<40 {
		return ok(name, "no limit")
	}
	return ok(name, "at most %d", limit.Max)
}

// ports checks that the listeners' addresses are free or, when the server runs, in use.
func ports(ctx context.Context, settings config.Config, running bool) []Check {
	var all []Check
	for _, l := range []struct{ key, addr string }{
		{"http.addr", settings.HTTP.Addr},
		{"otlp.grpc.addr", settings.OTLP.GRPCAddr},
		{"otlp.http.addr", settings.OTLP.HTTPAddr},
	} {
		all = append(all, portCheck(ctx, l.key, l.addr, running))
	}
	return all
}

func portCheck(ctx context.Context, key, addr string, running bool) Check {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		_ = listener.Close()
		if running {
			return warn(key, "check that the server has the configuration that this command reads", "%s is free although a Loadline runs", addr)
		}
		return ok(key, "%s is free", addr)
	case errors.Is(err, unix.EADDRINUSE):
		by := "another process"
		pid, name := port.Owner(addr)
		if pid != 0 {
			by = fmt.Sprintf("pid %d (%s)", pid, name)
		}
		if running {
			return ok(key, "%s, listened on by %s", addr, by)
		}
		return fail(key, fmt.Sprintf("stop that process, or choose another address with --%s", key), "%s is in use by %s", addr, by)
	}
	return fail(key, fmt.Sprintf("give an address of this machine with --%s", key), "%v", err)
}

// reachable turns an address to listen on into one to connect to.
func reachable(addr string) string {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, p)
}
