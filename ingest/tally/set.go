// Package tally counts, while spans arrive, the events of service level indicators and how many of them are bad: which
// indicators count a span, what a segment of the log adds up to, and the rows of a batch of segments.
package tally

import (
	"fmt"

	"loadline/internal/sli"
)

// Set is what the write path counts. It may be shared; what it learns is the groups that it gave places to.
type Set struct {
	services map[string][]*indicator
}

// indicator is one of a set.
type indicator struct {
	id        uint64
	since     uint32
	predicate *sli.Predicate
}

// NewSet compiles indicators. The error names one that cannot be counted by.
func NewSet(counted []sli.Counted) (*Set, error) {
	s := &Set{services: map[string][]*indicator{}}
	for _, c := range counted {
		p, err := sli.Compile(c.Indicator)
		if err != nil {
			return nil, fmt.Errorf("indicator %016x: %w", c.ID, err)
		}
		service := p.Indicator().Service
		s.services[service] = append(s.services[service], &indicator{id: c.ID, since: uint32(c.Since), predicate: p})
	}
	return s, nil
}
