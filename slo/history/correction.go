package history

import (
	"context"
	"fmt"
	"time"
)

// Correction is a stretch of time that does not count for an SLO.
type Correction struct {
	ID        uint64    `json:"id"`
	SLO       string    `json:"slo"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Reason    string    `json:"reason"`
	Author    string    `json:"author"`
	At        time.Time `json:"at"`
	Withdrawn bool      `json:"withdrawn,omitempty"`
}

// Corrections returns the corrections of an SLO, withdrawn ones too, the latest first.
func (h *History) Corrections(ctx context.Context, name string) ([]Correction, error) {
	rows, err := h.store.Corrections(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read corrections: %w", err)
	}
	out := make([]Correction, len(rows))
	for i, r := range rows {
		out[i] = Correction(r)
	}
	return out, nil
}
