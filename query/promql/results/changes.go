package results

import "sync"

const (
	span     = 2 * 60 * 60 * 1000 // milliseconds that are told apart
	maxSpans = 10_000
)

// Changes counts changes of samples by when these are from. Its zero value is ready. It is safe for concurrent use.
type Changes struct {
	mu    sync.Mutex
	base  uint64
	spans map[int64]uint64
}

// Changed notes that samples of a range of time (Unix ms) have arrived late or are gone. It must be called after that can
// be read, and for all samples that are older than half of Config.Lag when they can be read.
func (c *Changes) Changed(mint, maxt int64) {
	if maxt < mint {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	from, to := floor(mint), floor(maxt)
	if to-from >= maxSpans || len(c.spans) >= maxSpans {
		// One that is larger than all before is another one for every range.
		for _, n := range c.spans {
			c.base += n
		}
		c.base++
		c.spans = nil
		return
	}
	if c.spans == nil {
		c.spans = map[int64]uint64{}
	}
	for s := from; s <= to; s++ {
		c.spans[s]++
	}
}

// Version returns a number that is another one after a change of samples in a range of time.
func (c *Changes) Version(mint, maxt int64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	version := c.base
	for s, n := range c.spans {
		if s >= floor(mint) && s <= floor(maxt) {
			version += n
		}
	}
	return version
}

// floor returns the span that a time is in.
func floor(t int64) int64 {
	if t < 0 {
		return (t+1)/span - 1
	}
	return t / span
}
