package trial

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"loadline/slo"
	"loadline/slo/spec"
	"loadline/web/panel"
)

// atOnce is how many definitions are tried at the same time: each may read much.
const atOnce = 2

// keep is how long an answer is used again.
const keep = 30 * time.Second

// errGone says that who asked first has gone away before the trial began.
var errGone = errors.New("nobody waits for the trial any more")

// preview tries an objective of a definition on a stretch of time, as [slo.Engine.Preview] does.
type preview func(ctx context.Context, s spec.SLO, objective int, from, to time.Time, grid bool) (slo.Preview, error)

// A Runner tries definitions, a few at once. It may be used concurrently.
type Runner struct {
	board *panel.Board
	try   preview
	slots chan struct{}
}

// NewRunner returns a runner that keeps answers in the cache of a board.
func NewRunner(board *panel.Board, try preview) *Runner {
	return &Runner{board: board, try: try, slots: make(chan struct{}, atOnce)}
}

// Try returns what the first objective of a definition, and the text that it was read from, would have done in the last 30
// days. Who does not wait any more loses the place in the queue.
func (r *Runner) Try(ctx context.Context, s *spec.SLO, text string, now time.Time) (slo.Preview, error) {
	until := now.Truncate(time.Minute) // what is counted by then is the same for whatever is typed
	key := fmt.Sprintf("slo preview %x %s %s", sha256.Sum256([]byte(text)), s.Name, now.Format("15:04"))
	for {
		v, err := panel.Cached(ctx, r.board, key, keep, 0, func(work context.Context) (slo.Preview, error) {
			select {
			case r.slots <- struct{}{}:
				defer func() { <-r.slots }()
				return r.try(work, *s, 0, until.Add(-Length), until, false)
			case <-ctx.Done():
				return slo.Preview{}, errGone
			case <-work.Done():
				return slo.Preview{}, work.Err()
			}
		})
		switch {
		case ctx.Err() != nil:
			return slo.Preview{}, ctx.Err()
		case !errors.Is(err, errGone): // else it was another one who asked for the same
			return v, err
		}
	}
}
