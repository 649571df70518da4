package chdb

import (
	"errors"
	"regexp"
	"runtime"
	"strconv"
	"unsafe"
)

// Error is an error of the engine. Message has ClickHouse's own form: "Code: 60. DB::Exception: ... (UNKNOWN_TABLE)".
type Error struct {
	Code    int
	Message string
}

func (e *Error) Error() string { return e.Message }

var codePattern = regexp.MustCompile(`^Code: (\d+)\.`)

// codeUnknownException is ClickHouse's code for a message without one.
const codeUnknownException = 1002

func newError(message string) *Error {
	e := &Error{Code: codeUnknownException, Message: message}
	if m := codePattern.FindStringSubmatch(message); m != nil {
		e.Code, _ = strconv.Atoi(m[1])
	}
	return e
}

// conn is one connection to the engine. It runs one query at a time; different connections run in parallel.
type conn struct {
	lib    *library
	handle unsafe.Pointer // chdb_connection*: a pointer to the pointer that every other call takes
}

// connect opens a connection. The first one of the process starts the engine, and only its arguments count.
func (l *library) open(args ...string) (*conn, error) {
	all := append([]string{"loadline"}, args...)
	argv := make([]unsafe.Pointer, len(all)+1)
	var pinned runtime.Pinner
	defer pinned.Unpin()
	for i, s := range all {
		b := append([]byte(s), 0)
		pinned.Pin(&b[0])
		argv[i] = unsafe.Pointer(&b[0])
	}
	pinned.Pin(&argv[0])
	handle := l.connect(int32(len(all)), unsafe.Pointer(&argv[0]))
	l.restoreAfterLoad.restore()
	if handle == nil {
		return nil, errors.New("engine did not start")
	}
	return &conn{lib: l, handle: handle}, nil
}

func (c *conn) close() {
	if c.handle != nil {
		c.lib.closeConn(c.handle)
		c.handle = nil
	}
}

func (c *conn) ptr() unsafe.Pointer { return *(*unsafe.Pointer)(c.handle) }

// param is a query parameter in the text form of ClickHouse's HTTP interface.
type param struct{ name, value string }

// result is a result or a chunk of a stream. Its bytes live until free.
type result struct {
	lib *library
	ptr unsafe.Pointer
}

func (r result) err() error {
	if r.ptr == nil {
		return newError("Code: 1001. DB::Exception: the engine returned no result (STD_EXCEPTION)")
	}
	p := r.lib.resultError(r.ptr)
	if p == nil {
		return nil
	}
	if s := goString(p); s != "" {
		return newError(s)
	}
	return nil
}

// bytes is the result without a copy, valid until free.
func (r result) bytes() []byte {
	p := r.lib.buffer(r.ptr)
	if p == nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), r.lib.length(r.ptr))
}

func (r result) free() {
	if r.ptr != nil {
		r.lib.destroy(r.ptr)
	}
}

func goString(p unsafe.Pointer) string {
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}

var empty [8]byte

func stringPtr(s string) unsafe.Pointer {
	if s == "" {
		return unsafe.Pointer(&empty[0])
	}
	return unsafe.Pointer(unsafe.StringData(s))
}

// query runs sql to its end and returns all of its output.
func (c *conn) query(sql, format string, params []param) result {
	if len(params) > 0 {
		return c.withParams(c.lib.queryParams, sql, format, params)
	}
	p := c.lib.query(c.ptr(), stringPtr(sql), uintptr(len(sql)), stringPtr(format), uintptr(len(format)))
	runtime.KeepAlive(sql)
	runtime.KeepAlive(format)
	return result{c.lib, p}
}

// exec runs sql and drops its output.
func (c *conn) exec(sql string) error {
	r := c.query(sql, "Null", nil)
	defer r.free()
	return r.err()
}

func (c *conn) withParams(fn paramQuery, sql, format string, params []param) result {
	n := len(params)
	names, values := make([]unsafe.Pointer, n), make([]unsafe.Pointer, n)
	nameLens, valueLens := make([]uintptr, n), make([]uintptr, n)
	var pinned runtime.Pinner
	defer pinned.Unpin()
	for i, p := range params {
		names[i], values[i] = stringPtr(p.name), stringPtr(p.value)
		nameLens[i], valueLens[i] = uintptr(len(p.name)), uintptr(len(p.value))
		pinned.Pin(names[i])
		pinned.Pin(values[i])
	}
	ptr := fn(c.ptr(), stringPtr(sql), uintptr(len(sql)), stringPtr(format), uintptr(len(format)),
		unsafe.Pointer(&names[0]), unsafe.Pointer(&nameLens[0]), unsafe.Pointer(&values[0]), unsafe.Pointer(&valueLens[0]), uintptr(n))
	runtime.KeepAlive(sql)
	runtime.KeepAlive(format)
	runtime.KeepAlive(params)
	runtime.KeepAlive(names)
	runtime.KeepAlive(values)
	runtime.KeepAlive(nameLens)
	runtime.KeepAlive(valueLens)
	return result{c.lib, ptr}
}

// stream is a SELECT whose blocks are fetched one by one.
type stream struct {
	conn   *conn
	result result
}

func (c *conn) stream(sql, format string, params []param) (*stream, error) {
	var r result
	if len(params) > 0 {
		r = c.withParams(c.lib.streamParams, sql, format, params)
	} else {
		r = result{c.lib, c.lib.stream(c.ptr(), stringPtr(sql), uintptr(len(sql)), stringPtr(format), uintptr(len(format)))}
		runtime.KeepAlive(sql)
		runtime.KeepAlive(format)
	}
	if err := r.err(); err != nil {
		r.free()
		return nil, err
	}
	return &stream{c, r}, nil
}

// next returns the next chunk, and false at the end.
func (s *stream) next() (result, bool, error) {
	r := result{s.conn.lib, s.conn.lib.fetch(s.conn.ptr(), s.result.ptr)}
	if err := r.err(); err != nil {
		r.free()
		return result{}, false, err
	}
	if r.lib.length(r.ptr) == 0 {
		r.free()
		return result{}, false, nil
	}
	return r, true, nil
}

// cancel stops the query early.
func (s *stream) cancel() { s.conn.lib.cancel(s.conn.ptr(), s.result.ptr) }

func (s *stream) close() { s.result.free() }
