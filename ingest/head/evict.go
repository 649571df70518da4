package head

import (
	"maps"
	"slices"
	"time"
)

// evict drops samples that are too old or too many, as far as they are in ClickHouse.
func (h *Head) evict(now time.Time) {
	cut := h.cut
	// A pass over all series costs the same for few samples, so it waits until there are some to drop.
	if aged := now.Add(-h.cfg.Window).UnixMilli(); aged-cut > h.cfg.Window.Milliseconds()/16 {
		cut = aged
	}
	if excess := h.bytes.Load() - h.cfg.MaxBytes; excess > 0 {
		cut = max(cut, h.cutFor(excess+h.cfg.MaxBytes/8*(8-keptPart)))
	}
	for _, p := range h.pending {
		cut = min(cut, p.oldest)
	}
	cut -= cut % minute
	if cut <= h.cut {
		return
	}
	h.cut = cut
	h.from.Store(max(h.from.Load(), cut))
	maps.DeleteFunc(h.minutes, func(m, _ int64) bool { return m*minute < cut })
	h.metrics.Range(func(name, value any) bool {
		m := value.(*metric)
		m.mu.Lock()
		defer m.mu.Unlock()
		before := m.size
		m.drop(cut)
		h.account(before, m.size)
		if len(m.list)+len(m.late) == 0 {
			h.metrics.Delete(name)
		}
		return true
	})
}

// minute in milliseconds.
const minute = 60_000

// cutFor is the time before which samples take so many bytes.
func (h *Head) cutFor(bytes int64) int64 {
	cut := h.cut
	for _, m := range slices.Sorted(maps.Keys(h.minutes)) {
		if bytes <= 0 {
			break
		}
		bytes -= h.minutes[m] * narrow * wordBytes
		cut = (m + 1) * minute
	}
	return cut
}
