// Package counting decides which indicators are counted and from when on, and counts in SQL and PromQL what the write path
// does not: the past, spans that come late, and indicators that are expressions.
package counting

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/store"
	"loadline/slo/store/counts"
	"loadline/slo/tracker"
)

// Config is what a [Counter] needs.
type Config struct {
	DB     *clickhouse.DB
	Store  *store.Store
	Counts *counts.Store
	// Install gives the write path the indicators that it counts from now on. When it returns, all spans that are counted
	// without them are in ClickHouse.
	Install func([]sli.Counted) error
	// Query evaluates a PromQL expression at moments that are step apart, and returns the values of each series, NaN where it
	// has none; nil where there is no PromQL.
	Query func(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([][]float64, error)
	// SoleWriter says that no other process writes to the database.
	SoleWriter bool
	// Counted is called when counts have been stored, From when an indicator is counted from an earlier second on.
	Counted func()
	From    func(indicator uint64, from int64)
}

// Counter is the indicators that are counted. It is safe for concurrent use, but for Activate, which is called by one
// goroutine.
type Counter struct {
	cfg Config

	asked int64 // the last minute that Compute has asked for

	mu      sync.RWMutex
	active  map[uint64]*counted // by id
	running bool                // Activate has been called
}

// New returns a counter that counts nothing until Activate.
func New(cfg Config) *Counter { return &Counter{cfg: cfg, active: map[uint64]*counted{}} }

// slot is the length of a slot in seconds.
const slot = int64(sli.Slot / time.Second)

// activation is how far in the future an indicator is counted from: until then every node of the write path knows it.
const activation = 20 * time.Second

// counted is an indicator that is counted.
type counted struct {
	store.Indicator
	definition indicatorDefinition
	backfill   store.Backfill
	installed  time.Time // when this process began to count it
}

// indicatorDefinition is what is stored of an indicator; one field is set.
type indicatorDefinition struct {
	Spans     *sli.Indicator  `json:"spans,omitempty"`
	Ratio     *spec.Ratio     `json:"ratio,omitempty"`
	Threshold *spec.Threshold `json:"threshold,omitempty"`
}

// definitionOf is the definition that an objective's events are counted by, and its text; ok is false for composites.
func definitionOf(i spec.Indicator) (d indicatorDefinition, text string, ok bool, err error) {
	d = indicatorDefinition{Ratio: i.Ratio, Threshold: i.Threshold}
	if i.Spans != nil {
		canonical, err := i.Spans.Canonical()
		if err != nil {
			return d, "", false, err
		}
		d.Spans = &canonical
	}
	if d == (indicatorDefinition{}) {
		return d, "", false, nil
	}
	encoded, err := json.Marshal(d)
	return d, string(encoded), true, err
}

// Activate finds out which indicators the SLOs need, begins those that are new and retires those that nobody needs.
func (c *Counter) Activate(ctx context.Context, now time.Time, slos []spec.SLO) error {
	began := time.Now()
	stored, err := c.cfg.Store.Indicators(ctx)
	if err != nil {
		return fmt.Errorf("read indicators: %w", err)
	}
	backfills, err := c.cfg.Store.Backfills(ctx)
	if err != nil {
		return fmt.Errorf("read backfills: %w", err)
	}
	// Two nodes may have begun the same one: the older counts.
	slices.SortFunc(stored, func(a, b store.Indicator) int { return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.ID, b.ID)) })
	known := map[string]store.Indicator{}
	var changed []store.Indicator
	for _, i := range stored {
		if c.missed(i, now) {
			i.Retired = true
			changed = append(changed, i)
			continue
		}
		if _, twice := known[i.Definition]; twice {
			i.Retired = true
			changed = append(changed, i)
			continue
		}
		known[i.Definition] = i
	}
	active, fresh, err := needed(slos, known, now)
	if err != nil {
		return err
	}
	changed = append(changed, fresh...)
	for text, i := range known {
		if active[i.ID] == nil {
			i.Retired = true
			changed = append(changed, i)
			delete(known, text)
		}
	}
	if len(changed) > 0 {
		if err := c.cfg.Store.SaveIndicators(ctx, now, changed); err != nil {
			return fmt.Errorf("store indicators: %w", err)
		}
	}
	if err := c.install(ctx, active, backfills, now); err != nil {
		return err
	}
	return c.take(active, now.Add(time.Since(began)))
}

// needed are the indicators that the definitions need, and those of them that begin now.
func needed(slos []spec.SLO, known map[string]store.Indicator, now time.Time) (active map[uint64]*counted, fresh []store.Indicator, err error) {
	active = map[uint64]*counted{}
	for _, s := range slos {
		for _, o := range s.Objectives {
			d, text, ok, err := definitionOf(o.Indicator)
			if err != nil {
				return nil, nil, fmt.Errorf("indicator of %q: %w", s.Name, err)
			}
			if !ok {
				continue
			}
			i, begun := known[text]
			if !begun {
				i = store.Indicator{Definition: text, Since: since(now, d)}
				if i.ID, err = idOf(d, text, i.Since); err != nil {
					return nil, nil, fmt.Errorf("indicator of %q: %w", s.Name, err)
				}
				known[text] = i
				fresh = append(fresh, i)
			}
			if active[i.ID] == nil {
				past := store.Backfill{Indicator: i.ID, Wanted: i.Since, Done: i.Since}
				active[i.ID] = &counted{Indicator: i, definition: d, installed: now, backfill: past}
			}
			past := &active[i.ID].backfill
			past.Wanted = min(past.Wanted, i.Since-reach(o.Window))
		}
	}
	return active, fresh, nil
}

// since is the first slot of an indicator that begins now. Computed ones begin with a whole minute.
func since(now time.Time, d indicatorDefinition) int64 {
	at := now.Add(activation).Unix()
	if d.Spans != nil {
		return (at/slot + 1) * slot
	}
	const minute = int64(ComputeEvery / time.Second)
	return (at/minute + 1) * minute
}

func idOf(d indicatorDefinition, text string, since int64) (uint64, error) {
	if d.Spans != nil {
		return sli.ID(*d.Spans, since)
	}
	h := fnv.New64a()
	_, _ = h.Write(binary.BigEndian.AppendUint64([]byte(text), uint64(since)))
	return h.Sum64(), nil
}

// The past is counted for a month and a bit, or for as long as the window is.
const (
	minReach = 35 * budget.Day
	maxReach = 400 * budget.Day
)

func reach(w budget.Window) int64 {
	return int64(min(max(w.Nominal()+budget.Day, minReach), maxReach) / time.Second)
}

// install gives the write path the indicators.
func (c *Counter) install(ctx context.Context, active map[uint64]*counted, backfills []store.Backfill, now time.Time) error {
	for _, b := range backfills {
		if i := active[b.Indicator]; i != nil {
			b.Finished = b.Finished && b.Wanted <= i.backfill.Wanted
			b.Wanted = min(b.Wanted, i.backfill.Wanted)
			i.backfill = b
		}
	}
	var grouped []uint64
	for id, i := range active {
		if i.definition.Spans != nil && i.definition.Spans.GroupBy != "" {
			grouped = append(grouped, id)
		}
	}
	groups, err := c.groups(ctx, grouped, now.Unix())
	if err != nil {
		return err
	}
	var list []sli.Counted
	c.mu.RLock()
	for id, i := range active {
		if was := c.active[id]; was != nil {
			i.installed = was.installed
		}
		if i.definition.Spans != nil {
			list = append(list, sli.Counted{ID: id, Indicator: *i.definition.Spans, Since: i.Since, Groups: groups[id]})
		}
	}
	c.mu.RUnlock()
	if err := c.cfg.Install(list); err != nil {
		return fmt.Errorf("count indicators: %w", err)
	}
	return nil
}

// take remembers the indicators that the write path counts, if it began to do so in time.
func (c *Counter) take(active map[uint64]*counted, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, i := range active {
		if c.running && c.active[id] == nil && i.definition.Spans != nil && i.Since <= now.Unix() {
			return errors.New("count indicators: storage took so long that events were missed; they begin again")
		}
	}
	c.active, c.running = active, true
	return nil
}

// missed reports whether an indicator has begun without this process counting it, while it ran: events are missing.
func (c *Counter) missed(i store.Indicator, now time.Time) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.running && c.active[i.ID] == nil && i.Since <= now.Unix()
}

// Each calls fn with every active indicator and the second from which on it is counted.
func (c *Counter) Each(fn func(indicator uint64, from int64)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for id, i := range c.active {
		fn(id, i.backfill.Done)
	}
}

// groups are the groups that indicators have counted, those with the most events first.
func (c *Counter) groups(ctx context.Context, indicators []uint64, now int64) (map[uint64][]string, error) {
	out := map[uint64][]string{}
	if len(indicators) == 0 {
		return out, nil
	}
	const day = int64(budget.Day / time.Second)
	sums, err := c.cfg.Counts.Groups(ctx, indicators, now-int64(minReach/time.Second), now+day)
	if err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	slices.SortStableFunc(sums, func(a, b counts.GroupSum) int { return cmp.Compare(b.Total, a.Total) })
	for _, s := range sums {
		if s.Group != "" {
			out[s.Indicator] = append(out[s.Indicator], s.Group)
		}
	}
	return out, nil
}

// Definitions are the objectives of SLOs with what they are counted by. excluded says what does not count of an SLO.
func (c *Counter) Definitions(slos []spec.SLO, excluded func(slo string) []tracker.Interval) []tracker.Definition {
	c.mu.RLock()
	defer c.mu.RUnlock()
	byText := map[string]*counted{}
	for _, i := range c.active {
		byText[i.Definition] = i
	}
	var defs []tracker.Definition
	from := map[string]int64{} // by SLO, and SLO and objective
	for n := range slos {
		s := &slos[n]
		for j := range s.Objectives {
			d := tracker.Definition{SLO: s, Objective: &s.Objectives[j], Excluded: excluded(s.Name)}
			_, text, ok, err := definitionOf(d.Objective.Indicator)
			if err != nil || ok && byText[text] == nil {
				continue // a definition that came after Activate: the next round has it
			}
			if ok {
				d.Indicator, d.From = byText[text].ID, byText[text].backfill.Done
				from[s.Name+"/"+d.Objective.Name] = d.From
				from[s.Name+"/"] = max(from[s.Name+"/"], d.From)
			}
			defs = append(defs, d)
		}
	}
	for i := range defs {
		if composite := defs[i].Objective.Indicator.Composite; composite != nil {
			for _, m := range composite.Members {
				defs[i].From = max(defs[i].From, from[m.SLO+"/"+m.Objective])
			}
		}
	}
	return defs
}

// Past is how far the past of an indicator is counted.
type Past struct {
	Since int64 // the first slot that the write path counts
	store.Backfill
}

// Past returns how far the past of an indicator is counted; ok is false for one that is not active.
func (c *Counter) Past(indicator uint64) (p Past, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	i := c.active[indicator]
	if i == nil {
		return Past{}, false
	}
	return Past{Since: i.Since, Backfill: i.backfill}, true
}

// Whole finds the indicator that counts what an objective asks, if its past is counted.
func (c *Counter) Whole(o spec.Indicator) (id uint64, from int64, ok bool) {
	_, text, ok, err := definitionOf(o)
	if !ok || err != nil {
		return 0, 0, false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, i := range c.active {
		if i.Definition == text && i.backfill.Finished {
			return i.ID, i.backfill.Done, true
		}
	}
	return 0, 0, false
}

// list are the active indicators that hold a condition, by id.
func (c *Counter) list(holds func(*counted) bool) []counted {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []counted
	for _, i := range c.active {
		if holds(i) {
			out = append(out, *i)
		}
	}
	slices.SortFunc(out, func(a, b counted) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
