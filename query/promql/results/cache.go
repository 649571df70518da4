package results

import (
	"container/list"
	"sync"

	"github.com/VictoriaMetrics/metrics"
	upstream "github.com/prometheus/prometheus/promql"
)

var (
	hits   = metrics.NewCounter(`loadline_results_queries_total{result="hit"}`)
	misses = metrics.NewCounter(`loadline_results_queries_total{result="miss"}`)
)

// kept is the result of a query at steps without a gap. It is not changed once it is in the cache.
type kept struct {
	first, last int64 // steps
	matrix      upstream.Matrix
	notes       []string // texts of annotations
	mint, maxt  int64    // of the samples it depends on
	version     uint64
	bytes       int64
}

// cache is results, as many as fit into its bytes. Those used last stay. It is safe for concurrent use.
type cache struct {
	limit int64

	mu    sync.Mutex
	bytes int64
	order *list.List // of *item, the one used last in front
	items map[key]*list.Element
}

type item struct {
	key key
	*kept
}

func newCache(limit int64) *cache {
	return &cache{limit: limit, order: list.New(), items: map[key]*list.Element{}}
}

// get returns what is kept under a key, or nil.
func (c *cache) get(k key) *kept {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[k]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*item).kept
}

// put keeps a result, in place of what was kept under the key.
func (c *cache) put(k key, r *kept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(c.items[k])
	if r.bytes > c.limit/maxShare {
		return
	}
	c.items[k] = c.order.PushFront(&item{key: k, kept: r})
	c.bytes += r.bytes
	for c.bytes > c.limit {
		c.remove(c.order.Back())
	}
}

func (c *cache) remove(e *list.Element) {
	if e == nil {
		return
	}
	i := c.order.Remove(e).(*item)
	delete(c.items, i.key)
	c.bytes -= i.bytes
}

// sizeOf returns about how many bytes a result takes.
func sizeOf(k key, m upstream.Matrix) int64 {
	const entry, perSeries, point, histogram = 500, 120, 16, 24
	n := int64(entry + len(k.text))
	for _, s := range m {
		n += perSeries + int64(s.Metric.ByteSize()) + int64(len(s.Floats))*point
		for _, h := range s.Histograms {
			n += histogram + int64(h.H.Size())
		}
	}
	return n
}
