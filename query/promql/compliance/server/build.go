package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build compiles Loadline into a directory and returns the path of the program and the flags that it needs to find the
// engine library that `make libchdb` has fetched.
func Build(ctx context.Context, dir string) (program string, flags []string, err error) {
	root, err := Root(ctx)
	if err != nil {
		return "", nil, err
	}
	library := filepath.Join(root, ".cache", "libchdb", "libchdb.so")
	if _, err := os.Stat(library); err == nil && os.Getenv("LOADLINE_LIBCHDB") == "" {
		flags = append(flags, "--storage.libchdb", library)
	}
	program = filepath.Join(dir, "loadline")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/loadline")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("build Loadline: %w\n%s", err, out)
	}
	return program, flags, nil
}

// Root returns the folder of Loadline's own module.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "loadline").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Others returns the paths of Prometheus and VictoriaMetrics, which `make bench-promql` unpacks from Debian's packages.
func Others(ctx context.Context) (prometheus, victoriametrics string, err error) {
	root, err := Root(ctx)
	if err != nil {
		return "", "", err
	}
	bin := filepath.Join(root, ".cache", "debian", "usr", "bin")
	prometheus, victoriametrics = filepath.Join(bin, "prometheus"), filepath.Join(bin, "victoria-metrics")
	_, err1 := os.Stat(prometheus)
	_, err2 := os.Stat(victoriametrics)
	return prometheus, victoriametrics, errors.Join(err1, err2)
}
