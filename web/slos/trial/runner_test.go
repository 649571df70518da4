package trial

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"loadline/slo"
	"loadline/slo/spec"
	"loadline/web/panel"
)

// TestRunner: two definitions are tried at once, and who goes away while others are gives up.
func TestRunner(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	r := NewRunner(panel.New(panel.Config{Logger: slog.New(slog.DiscardHandler)}), func(_ context.Context, _ spec.SLO, _ int, from, to time.Time, _ bool) (slo.Preview, error) {
		started <- struct{}{}
		<-release
		if to.Sub(from) != Length {
			return slo.Preview{}, errors.New("another length")
		}
		return slo.Preview{}, nil
	})
	ask := func(ctx context.Context, text string) error {
		_, err := r.Try(ctx, &spec.SLO{Name: "checkout"}, text, now)
		return err
	}
	errs := make(chan error, 3)
	for _, text := range []string{"a", "b"} {
		go func() { errs <- ask(context.Background(), text) }()
		<-started
	}
	impatient, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	go func() { gone <- ask(impatient, "c") }()
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who went away: %v", err)
	}
	go func() { errs <- ask(context.Background(), "c") }()
	select {
	case <-started:
		t.Fatal("three are tried at once")
	default:
	}
	close(release)
	<-started // the same text is tried for who still waits
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := ask(context.Background(), "c"); err != nil { // from the cache: nobody takes from started
		t.Error(err)
	}
}
