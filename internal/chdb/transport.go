package chdb

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// RoundTripper serves HTTP requests in process, without a socket. Hosts and schemes of the requests do not matter.
func (e *Engine) RoundTripper() http.RoundTripper { return roundTripper{e} }

type roundTripper struct{ engine *Engine }

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	pr, pw := io.Pipe()
	w := &pipeResponse{header: http.Header{}, pipe: pw, ready: make(chan struct{})}
	ctx, cancel := context.WithCancel(r.Context())
	served := r.WithContext(ctx) // a RoundTripper may not change its request
	if served.Body == nil {
		served.Body = http.NoBody
	}
	go func() {
		defer cancel()
		t.engine.serveHTTP(w, served)
		w.WriteHeader(http.StatusOK)
		pw.Close()
		served.Body.Close()
	}()
	<-w.ready // comes soon after the context ends, since the query is killed then
	length := int64(-1)
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil {
		length = n
	}
	if err := r.Context().Err(); err != nil {
		pr.CloseWithError(err)
		return nil, err
	}
	stop := context.AfterFunc(r.Context(), func() { pr.CloseWithError(context.Cause(r.Context())) })
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, ContentLength: length, Request: r, Body: &pipeBody{pr, stop, cancel},
	}, nil
}

// pipeBody is the body of an answer. Closing it early cancels the query.
type pipeBody struct {
	*io.PipeReader
	stop   func() bool
	cancel context.CancelFunc
}

func (b *pipeBody) Close() error {
	b.stop()
	b.cancel()
	return b.PipeReader.Close()
}

// pipeResponse is the http.ResponseWriter at the other end of the pipe.
type pipeResponse struct {
	header, sent http.Header
	pipe         *io.PipeWriter
	status       int
	once         sync.Once
	ready        chan struct{}
}

func (w *pipeResponse) Header() http.Header { return w.header }

func (w *pipeResponse) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.ready)
	})
}

func (w *pipeResponse) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(p)
}
