package libchdb

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

// NewError makes an Error of a message in ClickHouse's form.
func NewError(message string) *Error {
	e := &Error{Code: codeUnknownException, Message: message}
	if m := codePattern.FindStringSubmatch(message); m != nil {
		e.Code, _ = strconv.Atoi(m[1])
	}
	return e
}

// Conn is one connection to the engine. It runs one query at a time; different connections run in parallel.
type Conn struct {
	lib    *Library
	handle unsafe.Pointer // chdb_connection*: a pointer to the pointer that every other call takes
}

// Connect opens a connection. The first one of the process starts the engine, and only its arguments count.
func (l *Library) Connect(args ...string) (*Conn, error) {
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
	return &Conn{lib: l, handle: handle}, nil
}

// Close closes the connection; the last one stops the engine.
func (c *Conn) Close() {
	if c.handle != nil {
		c.lib.closeConn(c.handle)
		c.handle = nil
	}
}

func (c *Conn) ptr() unsafe.Pointer { return *(*unsafe.Pointer)(c.handle) }

// Param is a query parameter in the text form of ClickHouse's HTTP interface.
type Param struct{ Name, Value string }

// Result is a result or a chunk of a stream. Its bytes live until Free.
type Result struct {
	lib *Library
	ptr unsafe.Pointer
}

// Err is the error of the query, an *Error, or nil.
func (r Result) Err() error {
	if r.ptr == nil {
		return NewError("Code: 1001. DB::Exception: the engine returned no result (STD_EXCEPTION)")
	}
	p := r.lib.resultError(r.ptr)
	if p == nil {
		return nil
	}
	if s := goString(p); s != "" {
		return NewError(s)
	}
	return nil
}

// Bytes is the result without a copy, valid until Free.
func (r Result) Bytes() []byte {
	p := r.lib.buffer(r.ptr)
	if p == nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), r.lib.length(r.ptr))
}

// Free gives the result's memory back.
func (r Result) Free() {
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

// RowsWritten is the number of rows that an INSERT has stored.
func (r Result) RowsWritten() uint64 { return r.lib.rowsWritten(r.ptr) }

// Query runs sql to its end and returns all of its output.
func (c *Conn) Query(sql, format string, params []Param) Result {
	if len(params) > 0 {
		return c.withParams(c.lib.queryParams, sql, format, params)
	}
	p := c.lib.query(c.ptr(), stringPtr(sql), uintptr(len(sql)), stringPtr(format), uintptr(len(format)))
	runtime.KeepAlive(sql)
	runtime.KeepAlive(format)
	return Result{c.lib, p}
}

// Exec runs sql and drops its output.
func (c *Conn) Exec(sql string) error {
	r := c.Query(sql, "Null", nil)
	defer r.Free()
	return r.Err()
}

func (c *Conn) withParams(fn paramQuery, sql, format string, params []Param) Result {
	n := len(params)
	names, values := make([]unsafe.Pointer, n), make([]unsafe.Pointer, n)
	nameLens, valueLens := make([]uintptr, n), make([]uintptr, n)
	var pinned runtime.Pinner
	defer pinned.Unpin()
	for i, p := range params {
		names[i], values[i] = stringPtr(p.Name), stringPtr(p.Value)
		nameLens[i], valueLens[i] = uintptr(len(p.Name)), uintptr(len(p.Value))
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
	return Result{c.lib, ptr}
}

// Stream is a SELECT whose blocks are fetched one by one.
type Stream struct {
	conn   *Conn
	result Result
}

// Stream starts a SELECT.
func (c *Conn) Stream(sql, format string, params []Param) (*Stream, error) {
	var r Result
	if len(params) > 0 {
		r = c.withParams(c.lib.streamParams, sql, format, params)
	} else {
		r = Result{c.lib, c.lib.stream(c.ptr(), stringPtr(sql), uintptr(len(sql)), stringPtr(format), uintptr(len(format)))}
		runtime.KeepAlive(sql)
		runtime.KeepAlive(format)
	}
	if err := r.Err(); err != nil {
		r.Free()
		return nil, err
	}
	return &Stream{c, r}, nil
}

// Next returns the next chunk, and false at the end.
func (s *Stream) Next() (Result, bool, error) {
	r := Result{s.conn.lib, s.conn.lib.fetch(s.conn.ptr(), s.result.ptr)}
	if err := r.Err(); err != nil {
		r.Free()
		return Result{}, false, err
	}
	if r.lib.length(r.ptr) == 0 {
		r.Free()
		return Result{}, false, nil
	}
	return r, true, nil
}

// Cancel stops the query early.
func (s *Stream) Cancel() { s.conn.lib.cancel(s.conn.ptr(), s.result.ptr) }

// Close gives the stream's memory back.
func (s *Stream) Close() { s.result.Free() }

// Statements counts the statements in sql as the engine's own parser sees them, and false when the library cannot tell or
// the text is not SQL.
func (c *Conn) Statements(sql string) (int, bool) {
	if c.lib.classify == nil {
		return 0, false
	}
	out := struct{ size, statements, flags, class uint32 }{size: 16}
	code := c.lib.classify(c.ptr(), stringPtr(sql), uintptr(len(sql)), stringPtr(""), 0, unsafe.Pointer(&out))
	runtime.KeepAlive(sql)
	return int(out.statements), code == 0
}
