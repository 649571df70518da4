package panel

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
)

// A Task is a part of a page that is computed beside others. Err is where its error goes, nil if nobody wants it.
type Task struct {
	Err *error
	Do  func() error
}

// Together does tasks at the same time and waits for all of them. A panic of one is its error: in a goroutine of its own
// it would end the process, where in the one of the request it only ends that.
func (b *Board) Together(tasks ...Task) {
	var wg sync.WaitGroup
	for _, t := range tasks {
		wg.Go(func() {
			_, err := guarded(b.config.Logger, func() (struct{}, error) { return struct{}{}, t.Do() })
			if t.Err != nil {
				*t.Err = err
			}
		})
	}
	wg.Wait()
}

// guarded returns what fn does, and a panic of fn as an error, which it logs with the stack.
func guarded[T any](logger *slog.Logger, fn func() (T, error)) (value T, err error) {
	defer func() {
		if r := recover(); r != nil {
			logger.Error("panic while computing a panel", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error: %v", r)
		}
	}()
	return fn()
}
