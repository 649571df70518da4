package ingest

import "context"

// tallies brings the counts of indicators into ClickHouse.
type tallies struct {
	p       *Pipeline
	node    uint64
	settled chan struct{} // closed when what an earlier process has left is in ClickHouse
	ended   chan struct{} // closed when nothing is inserted any more
	turn    chan struct{} // who has put something in inserts a batch, or reads what is consistent
}

func openTallies(p *Pipeline) (*tallies, error) {
	t := &tallies{p: p, node: 2, settled: make(chan struct{}), ended: make(chan struct{}), turn: make(chan struct{}, 1)}
	close(t.settled)
	return t, nil
}

// Node numbers this pipeline in the table slo_journal. It is the same as long as the log's directory is, and above 1.
func (p *Pipeline) Node() uint64 { return p.tallies.node }

// Settled runs fn when the counts that an earlier process has left in the log are in ClickHouse, and while no batch of
// counts is being inserted: what fn reads has every batch in all tables or in none. It waits for Run. The error is that
// of fn or of ctx, or ErrClosed.
func (p *Pipeline) Settled(ctx context.Context, fn func() error) error {
	t := p.tallies
	select {
	case <-t.settled:
	case <-t.ended:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case t.turn <- struct{}{}:
	case <-t.ended:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t.turn }()
	return fn()
}
