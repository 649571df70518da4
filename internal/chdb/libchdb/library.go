// Package libchdb binds libchdb, ClickHouse as a shared library, without cgo. It is only the library: package chdb makes an
// engine of it.
package libchdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// ErrNoLibrary is wrapped by Find when no libchdb is installed.
var ErrNoLibrary = errors.New("libchdb not found")

// EnvLibrary names the environment variable that points at libchdb.
const EnvLibrary = "LOADLINE_LIBCHDB"

// npmPackage is the npm package, with the exact version this program is tested with, that carries libchdb for this platform
// (linux-x64-gnu, linux-arm64-gnu, darwin-arm64 or darwin-x64).
func npmPackage() string {
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	platform := runtime.GOOS + "-" + arch
	if runtime.GOOS == "linux" {
		platform += "-gnu"
	}
	return "@chdb/lib-" + platform + "@26.7.3-stable.1"
}

func libraryName() string {
	if runtime.GOOS == "darwin" {
		return "libchdb.dylib"
	}
	return "libchdb.so"
}

// Find returns the path of the libchdb to load: explicit when it is not empty, else $LOADLINE_LIBCHDB, else the first
// that exists next to the executable, in ./.cache/libchdb, /usr/lib/loadline or /usr/local/lib. A path that was given
// but does not exist is an error, never a reason to look elsewhere.
func Find(explicit string) (string, error) {
	for _, given := range []string{explicit, os.Getenv(EnvLibrary)} {
		if given == "" {
			continue
		}
		if _, err := os.Stat(given); err != nil {
			return "", fmt.Errorf("%w: %q: %w; run `make libchdb` or install the npm package %s", ErrNoLibrary, given, err, npmPackage())
		}
		return filepath.Abs(given)
	}
	var tried []string
	for _, dir := range searchDirs() {
		for _, name := range []string{libraryName(), "libchdb.so"} {
			path := filepath.Join(dir, name)
			if _, err := os.Stat(path); err == nil {
				return filepath.Abs(path)
			}
		}
		tried = append(tried, dir)
	}
	return "", fmt.Errorf("%w in %s; run `make libchdb`, or install the npm package %s and name its %s with --libchdb or $%s",
		ErrNoLibrary, strings.Join(tried, ", "), npmPackage(), libraryName(), EnvLibrary)
}

func searchDirs() []string {
	var dirs []string
	if exe, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Dir(exe))
	}
	return append(dirs, filepath.Join(".cache", "libchdb"), "/usr/lib/loadline", "/usr/local/lib")
}

// Library holds the C functions of libchdb. Those that only newer versions have are nil when missing.
type Library struct {
	connect          func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	closeConn        func(conn unsafe.Pointer)
	query            func(conn, query unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) unsafe.Pointer
	queryParams      paramQuery
	stream           func(conn, query unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) unsafe.Pointer
	streamParams     paramQuery
	fetch            func(conn, result unsafe.Pointer) unsafe.Pointer
	cancel           func(conn, result unsafe.Pointer)
	destroy          func(result unsafe.Pointer)
	buffer           func(result unsafe.Pointer) unsafe.Pointer
	length           func(result unsafe.Pointer) uintptr
	resultError      func(result unsafe.Pointer) unsafe.Pointer
	rowsRead         func(result unsafe.Pointer) uint64
	bytesRead        func(result unsafe.Pointer) uint64
	rowsWritten      func(result unsafe.Pointer) uint64
	setSignals       func(enabled int32)
	classify         func(conn, query unsafe.Pointer, n uintptr, db unsafe.Pointer, dn uintptr, out unsafe.Pointer) int32
	restoreAfterLoad signalActions
}

type paramQuery func(conn, query unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr,
	names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer

// loaded guards the one libchdb of the process: the engine keeps global state, so a second copy cannot be loaded.
var loaded struct {
	sync.Mutex
	path string
	lib  *Library
}

// Load maps libchdb and binds its functions. The signal actions of the Go runtime are kept as they were before, because
// the library installs its own crash handlers, which turn a recoverable nil dereference in Go into a hang or an exit.
func Load(path string) (*Library, error) {
	loaded.Lock()
	defer loaded.Unlock()
	if loaded.lib != nil {
		if loaded.path != path {
			return nil, fmt.Errorf("load %q: this process already uses %q", path, loaded.path)
		}
		return loaded.lib, nil
	}
	before := saveSignals()
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load %q: %w; is it the library for %s/%s, from the npm package %s?", path, err, runtime.GOOS, runtime.GOARCH, npmPackage())
	}
	lib := &Library{restoreAfterLoad: before}
	for name, fn := range map[string]any{
		"chdb_connect":                      &lib.connect,
		"chdb_close_conn":                   &lib.closeConn,
		"chdb_query_n":                      &lib.query,
		"chdb_query_with_params_n":          &lib.queryParams,
		"chdb_stream_query_n":               &lib.stream,
		"chdb_stream_query_with_params_n":   &lib.streamParams,
		"chdb_stream_fetch_result":          &lib.fetch,
		"chdb_stream_cancel_query":          &lib.cancel,
		"chdb_destroy_query_result":         &lib.destroy,
		"chdb_result_buffer":                &lib.buffer,
		"chdb_result_length":                &lib.length,
		"chdb_result_error":                 &lib.resultError,
		"chdb_result_rows_read":             &lib.rowsRead,
		"chdb_result_bytes_read":            &lib.bytesRead,
		"chdb_result_rows_written":          &lib.rowsWritten,
		"chdb_set_signal_handlers_enabled?": &lib.setSignals,
		"chdb_classify_query_n?":            &lib.classify,
	} {
		name, optional := strings.CutSuffix(name, "?")
		symbol, err := purego.Dlsym(handle, name)
		if err != nil && optional {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("load %q: function %q is missing; this program needs the npm package %s", path, name, npmPackage())
		}
		purego.RegisterFunc(fn, symbol)
	}
	if lib.setSignals != nil {
		lib.setSignals(0)
	}
	lib.restoreAfterLoad.restore()
	useUTC()
	loaded.path, loaded.lib = path, lib
	return lib, nil
}

// useUTC sets TZ for the C library of this process before the engine reads it: a DateTime without a zone means UTC then,
// on every machine. Go's own time package has read TZ already.
func useUTC() {
	symbol, err := purego.Dlsym(purego.RTLD_DEFAULT, "setenv")
	if err != nil {
		return // the session's own session_timezone remains
	}
	var setenv func(name, value string, overwrite int32) int32
	purego.RegisterFunc(&setenv, symbol)
	setenv("TZ", "UTC", 1)
}
