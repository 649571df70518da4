package sloapi

import (
	"net/http"
	"time"

	"loadline/slo"
	"loadline/slo/budget"
	"loadline/web/sloapi/wire"
)

// maxPoints is how many points a chart may have.
const maxPoints = 2000

// chart is what a chart is asked of: the window of the objective up to now, unless the request says another range.
func (a *API) chart(r *http.Request) (ref slo.Ref, from, to time.Time, points int, err error) {
	if ref, err = a.reference(r); err != nil {
		return ref, from, to, 0, err
	}
	if from, to, err = span(r, a.cfg.Now(), a.windowOf(ref).Nominal()); err != nil {
		return ref, from, to, 0, err
	}
	points, err = number(r, "points", 2, maxPoints, 300)
	return ref, from, to, points, err
}

// windowOf is the window of an objective that is in force.
func (a *API) windowOf(ref slo.Ref) budget.Window {
	s, _ := a.cfg.Engine.SLO(ref.SLO)
	for i := range s.Objectives {
		if s.Objectives[i].Name == ref.Objective {
			return s.Objectives[i].Window
		}
	}
	return budget.Window{Length: day}
}

// budget answers how much of a budget was left over time.
func (a *API) budget(_ http.ResponseWriter, r *http.Request) (any, error) {
	ref, from, to, points, err := a.chart(r)
	if err != nil {
		return nil, err
	}
	c, err := a.cfg.Engine.Budget(r.Context(), ref, from, to, points)
	if err != nil {
		return nil, err
	}
	return wire.BudgetOf(&c), nil
}

// burn answers how fast a budget burned over time.
func (a *API) burn(_ http.ResponseWriter, r *http.Request) (any, error) {
	ref, from, to, points, err := a.chart(r)
	if err != nil {
		return nil, err
	}
	c, err := a.cfg.Engine.BurnChart(r.Context(), ref, from, to, points)
	if err != nil {
		return nil, err
	}
	return wire.BurnOf(&c), nil
}
