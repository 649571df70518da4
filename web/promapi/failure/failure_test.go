package failure

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/prometheus/promql"
)

func TestOf(t *testing.T) {
	f := func(err error, kind Kind, code int) {
		t.Helper()
		if got := Of(fmt.Errorf("wrapped: %w", err)); got.Kind != kind || got.Kind.Code() != code {
			t.Errorf("%v: %s with status %d, want %s with %d", err, got.Kind, got.Kind.Code(), kind, code)
		}
	}
	f(promql.ErrQueryCanceled("x"), Canceled, 499)
	f(promql.ErrQueryTimeout("x"), Timeout, 503)
	f(promql.ErrStorage{Err: errors.New("x")}, Internal, 500)
	f(promql.ErrTooManySamples("x"), Execution, 422)
	f(context.Canceled, Canceled, 499)
	f(context.DeadlineExceeded, Timeout, 503)
	f(promql.ErrStorage{Err: context.Canceled}, Internal, 500)
	f(errors.New("x"), Execution, 422)
	f(New(NotFound, "x"), NotFound, 404)
	f(New(Unavailable, "x"), Unavailable, 500)
	f(Invalid("time", errors.New("x")), BadData, 400)
}

func TestIn(t *testing.T) {
	f := func(ctx context.Context, err error, want Kind) {
		t.Helper()
		if got := In(ctx, err); got.Kind != want || !errors.Is(got, err) {
			t.Errorf("%v: got %s, want %s", err, got.Kind, want)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	driver := errors.New("code 394: query was cancelled")
	f(t.Context(), driver, Execution)
	f(gone, driver, Canceled)
	f(late, driver, Timeout)
	f(late, promql.ErrStorage{Err: driver}, Timeout)
	mistake := New(BadData, "x")
	f(late, mistake, BadData)
}

func TestWrite(t *testing.T) {
	w := httptest.NewRecorder()
	Invalid("query", errors.New("<\xff>")).Write(w)
	want := `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": \u003c\ufffd\u003e"}`
	if w.Code != 400 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("status %d: %s, want %s", w.Code, w.Body, want)
	}
}
