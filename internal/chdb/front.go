package chdb

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"loadline/internal/chdb/libchdb"
	"loadline/internal/chdb/statement"
)

// maxQuery is the longest SQL text in bytes. Inline INSERT data in the body counts as well.
const maxQuery = 64 << 20

// Handler is ClickHouse's HTTP interface. Users and passwords are not looked at: whoever reaches the socket may use it.
// Sessions and external tables are not supported; a session_id is ignored.
func (e *Engine) Handler() http.Handler { return http.HandlerFunc(e.serveHTTP) }

func (e *Engine) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ping" || r.Method != http.MethodPost && r.URL.RawQuery == "" {
		_, _ = io.WriteString(w, "Ok.\n")
		return
	}
	if err := e.serve(w, r); err != nil {
		e.fail(w, err)
	}
}

// notSettings are parameters of the HTTP interface that are not settings of a query, and the setting that the front
// needs for itself.
var notSettings = map[string]bool{
	"query": true, "database": true, "default_format": true, "client_protocol_version": true, "compress": true, "decompress": true,
	"query_id": true, "session_id": true, "session_timeout": true, "session_check": true, "quota_key": true, "user": true, "password": true,
	"wait_end_of_query": true, "buffer_size": true, "stacktrace": true, "role": true, "close_session": true,
	"network_compression_method": true, "network_zstd_compression_level": true, "http_write_exception_in_output_format": true,
	"send_progress_in_http_headers": true, "enable_http_compression": true, "log_comment": true, "readonly": true,
	"cancel_http_readonly_queries_on_client_close": true,
}

// request is one query as it came over HTTP.
type request struct {
	*http.Request
	query    url.Values
	st       *statement.Statement
	data     io.Reader // rows of an INSERT, nil without
	params   []libchdb.Param
	settings map[string]string
	database string
	format   string
}

var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// read parses the request; the rows of an INSERT stay unread.
func (e *Engine) read(r *http.Request) (*request, error) {
	q := &request{Request: r, query: r.URL.Query(), settings: map[string]string{}, database: e.cfg.Database}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return nil, libchdb.NewError("Code: 48. DB::Exception: external tables are not supported by the embedded engine (NOT_IMPLEMENTED)")
	}
	body, err := requestBody(r, q.query)
	if err != nil {
		return nil, libchdb.NewError("Code: 354. DB::Exception: request body: " + err.Error() + " (ZLIB_INFLATE_FAILED)")
	}
	sql := q.query.Get("query")
	if sql == "" {
		if sql, err = readQuery(body, r.ContentLength); err != nil {
			return nil, err
		}
		body = nil
	}
	if q.st, err = statement.Parse(sql); err != nil {
		return nil, err
	}
	q.data = body
	if q.st.Insert && body == nil {
		q.data = strings.NewReader(sql[q.st.Data:])
	}
	if db := q.query.Get("database"); db != "" {
		q.database = db
	}
	if q.format = q.st.Format; q.format == "" {
		if q.format = q.query.Get("default_format"); q.format == "" {
			q.format = "TabSeparated"
		}
	}
	return q, q.readSettings()
}

func (q *request) readSettings() error {
	for name, values := range q.query {
		if param, ok := strings.CutPrefix(name, "param_"); ok {
			q.params = append(q.params, libchdb.Param{Name: param, Value: values[0]})
			continue
		}
		if notSettings[name] {
			continue
		}
		if !namePattern.MatchString(name) {
			return libchdb.NewError(fmt.Sprintf("Code: 115. DB::Exception: Unknown setting %q (UNKNOWN_SETTING)", name))
		}
		q.settings[name] = values[0]
	}
	return nil
}

func readQuery(body io.Reader, length int64) (string, error) {
	var b strings.Builder
	if length > 0 && length <= maxQuery {
		b.Grow(int(length))
	}
	n, err := io.Copy(&b, io.LimitReader(body, maxQuery+1))
	switch {
	case err != nil:
		return "", libchdb.NewError("Code: 33. DB::Exception: read query: " + err.Error() + " (CANNOT_READ_ALL_DATA)")
	case n > maxQuery:
		return "", libchdb.NewError(fmt.Sprintf("Code: 62. DB::Exception: query is longer than %d bytes; send rows by ?query=INSERT and the body (SYNTAX_ERROR)", maxQuery))
	}
	return b.String(), nil
}

func (e *Engine) serve(w http.ResponseWriter, r *http.Request) error {
	q, err := e.read(r)
	if err != nil {
		return err
	}
	if q.st.Text == helloQuery && q.query.Get("client_protocol_version") != "" {
		return respond(w, q, e.hello())
	}
	if e.cfg.ReadOnly {
		if err := e.rules.Check(q.st); err != nil {
			return err
		}
		if q.database == "default" {
			return statement.Refusal("the database \"default\"")
		}
		if n, ok := e.statements(q.st.Text); ok && n != 1 {
			return libchdb.NewError(fmt.Sprintf("Code: 62. DB::Exception: Syntax error: the engine reads %d statements (SYNTAX_ERROR)", n))
		}
	}
	id := q.query.Get("query_id")
	if id == "" {
		id = rand.Text()
	}
	w.Header().Set("X-ClickHouse-Query-Id", id)
	w.Header().Set("X-ClickHouse-Timezone", e.timezone)
	w.Header().Set("X-ClickHouse-Format", q.format)
	if q.st.Insert {
		return e.insert(w, q)
	}
	lease, err := e.readers.acquire(r.Context(), q.database, q.settings)
	if err != nil {
		return err
	}
	defer e.readers.release(lease)
	defer e.watch(r.Context(), lease.tag)()
	if q.st.Streams() {
		return e.stream(w, q, lease)
	}
	return all(w, q, lease)
}

// insert writes the rows to an anonymous file and has the engine read that: rows inside the SQL text would end at the
// first blank line, and whatever follows would be run as SQL.
func (e *Engine) insert(w http.ResponseWriter, q *request) error {
	rows, err := anonymousFile(q.data)
	if err != nil {
		return libchdb.NewError("Code: 33. DB::Exception: read rows: " + err.Error() + " (CANNOT_READ_ALL_DATA)")
	}
	defer rows.close()
	if rows.length == 0 {
		return respond(w, q, nil)
	}
	lease, err := e.writers.acquire(q.Context(), q.database, nil)
	if err != nil {
		return err
	}
	defer e.writers.release(lease)
	defer e.watch(q.Context(), lease.tag)()
	r := lease.conn.Query(q.insertFrom(rows.path), "Null", q.params)
	defer r.Free()
	if err := r.Err(); err != nil {
		return err
	}
	w.Header().Set("X-ClickHouse-Summary", fmt.Sprintf(`{"written_rows":"%d"}`, r.RowsWritten()))
	return respond(w, q, nil)
}

// insertFrom is the INSERT with its rows in a file. Settings of the request go into the statement, where they cost
// nothing, unlike a SET; those that the statement has itself come last and win.
func (q *request) insertFrom(path string) string {
	head, own := q.st.Text, ""
	if q.st.Settings >= 0 {
		head, own = head[:q.st.Settings], strings.TrimSpace(head[q.st.Settings+len("SETTINGS"):])
	}
	settings := make([]string, 0, len(q.settings)+1)
	for name, value := range q.settings {
		settings = append(settings, name+" = "+quoteString(value))
	}
	slices.Sort(settings)
	if own != "" {
		settings = append(settings, own)
	}
	clause := ""
	if len(settings) > 0 {
		clause = " SETTINGS " + strings.Join(settings, ", ")
	}
	return head + " FROM INFILE " + quoteString(path) + " COMPRESSION 'none'" + clause + " FORMAT " + q.st.Format
}

// all answers with the whole result at once.
func all(w http.ResponseWriter, q *request, l *lease) error {
	r := l.conn.Query(q.st.Text, q.format, q.params)
	defer r.Free()
	if err := r.Err(); err != nil {
		return err
	}
	return respond(w, q, r.Bytes())
}

// stream answers block by block. One block is read ahead, so that an error in the first two still becomes a plain HTTP
// error and a result of one block goes out with its length.
func (e *Engine) stream(w http.ResponseWriter, q *request, l *lease) error {
	s, err := l.conn.Stream(q.st.Text, q.format, q.params)
	if err != nil {
		if strings.Contains(err.Error(), "Streaming query is not supported") {
			return all(w, q, l)
		}
		return err
	}
	defer s.Close()
	chunk, ok, err := s.Next()
	if err != nil {
		return err
	}
	if !ok {
		return respond(w, q, nil)
	}
	defer func() { chunk.Free() }()
	ahead, more, err := s.Next()
	if err != nil {
		return err
	}
	if !more {
		return respond(w, q, chunk.Bytes())
	}
	if q.query.Get("wait_end_of_query") == "1" {
		whole := slices.Clone(chunk.Bytes())
		for more {
			whole = append(whole, ahead.Bytes()...)
			ahead.Free()
			if ahead, more, err = s.Next(); err != nil {
				return err
			}
		}
		return respond(w, q, whole)
	}
	tag := newExceptionTag()
	w.Header().Set("X-ClickHouse-Exception-Tag", tag)
	out := encode(w, q)
	for {
		if _, err := out.Write(chunk.Bytes()); err != nil {
			if more {
				ahead.Free()
				s.Cancel()
			}
			return nil // the client is gone
		}
		if !more {
			return out.Close()
		}
		chunk.Free()
		chunk, ahead = ahead, libchdb.Result{}
		if ahead, more, err = s.Next(); err != nil {
			_, _ = out.Write(chunk.Bytes())
			_ = out.fail(exceptionFrame(tag, err.Error()))
			return nil
		}
	}
}

func newExceptionTag() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// exceptionFrame is how ClickHouse ends a stream that has failed after its header went out.
func exceptionFrame(tag, message string) []byte {
	return fmt.Appendf(nil, "\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", tag, message, len(message)+1, tag)
}

// fail answers with an error as ClickHouse does.
func (e *Engine) fail(w http.ResponseWriter, err error) {
	var ce *libchdb.Error
	if !errors.As(err, &ce) {
		ce = libchdb.NewError(err.Error())
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		ce = libchdb.NewError("Code: 394. DB::Exception: Query was cancelled (QUERY_WAS_CANCELLED)")
	}
	message := ce.Message
	if !strings.HasPrefix(message, "Code: ") {
		message = fmt.Sprintf("Code: %d. DB::Exception: %s", ce.Code, message)
	}
	h := w.Header()
	h.Del("Content-Encoding")
	h.Del("X-ClickHouse-Exception-Tag")
	h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(ce.Code))
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(httpStatus(ce.Code))
	_, _ = fmt.Fprintf(w, "%s (version %s (embedded))\n", message, e.version)
}

// httpStatus is the HTTP status of a ClickHouse error code, as ClickHouse has it.
func httpStatus(code int) int {
	switch code {
	case 16, 36, 46, 47, 60, 81, 218:
		return http.StatusNotFound
	case 6, 26, 27, 43, 53, 62, 70, 72, 115, 456, 457:
		return http.StatusBadRequest
	case 164, 497:
		return http.StatusForbidden
	case 159, 160:
		return http.StatusRequestTimeout
	case 48:
		return http.StatusNotImplemented
	case 201, 202:
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}

// helloQuery is what clickhouse-go sends on every new connection.
const helloQuery = "SELECT displayName(), version(), revision(), timezone()"

// hello answers helloQuery. The driver reads the answer at its own newest revision, before it knows ours, so this block
// alone carries a BlockInfo and custom-serialization bytes. It says revision 0, and from then on the driver expects plain
// Native, which is what libchdb writes.
func (e *Engine) hello() []byte {
	var b proto.Buffer
	b.PutUVarInt(1)
	b.PutBool(false)
	b.PutUVarInt(2)
	b.PutInt32(-1)
	b.PutUVarInt(0)
	b.PutUVarInt(4)
	b.PutUVarInt(1)
	column := func(name, typ string) {
		b.PutString(name)
		b.PutString(typ)
		b.PutBool(false)
	}
	column("displayName()", "String")
	b.PutString("loadline")
	column("version()", "String")
	b.PutString(e.version)
	column("revision()", "UInt32")
	b.PutUInt32(0)
	column("timezone()", "String")
	b.PutString(e.timezone)
	return b.Buf
}
