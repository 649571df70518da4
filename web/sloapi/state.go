package sloapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"loadline/slo"
	"loadline/web/sloapi/wire"
)

// status answers with the objectives of an SLO and their groups.
func (a *API) status(_ http.ResponseWriter, r *http.Request) (any, error) {
	s, err := a.find(r)
	if err != nil {
		return nil, err
	}
	only := r.URL.Query().Get("objective")
	if only != "" {
		if _, err := a.reference(r); err != nil {
			return nil, err
		}
	}
	out := wire.Status{Objectives: []wire.Objective{}}
	for _, o := range a.objectives(s) {
		if only == "" || o.Objective == only {
			out.Objectives = append(out.Objectives, o)
			out.Groups = append(out.Groups, wire.ObjectivesOf(a.cfg.Engine.Groups(o.SLO, o.Objective))...)
		}
	}
	return out, nil
}

// day is the range of answers about what happened lately.
const day = 24 * time.Hour

// spenders answers what bad events have in common.
func (a *API) spenders(_ http.ResponseWriter, r *http.Request) (any, error) {
	ref, err := a.reference(r)
	if err != nil {
		return nil, err
	}
	from, to, err := span(r, a.cfg.Now(), day)
	if err != nil {
		return nil, err
	}
	found, err := a.cfg.Engine.Spenders(r.Context(), ref, from, to)
	if err != nil {
		return nil, err
	}
	return wire.SpendersOf(&found), nil
}

// examples answers with bad events.
func (a *API) examples(_ http.ResponseWriter, r *http.Request) (any, error) {
	ref, err := a.reference(r)
	if err != nil {
		return nil, err
	}
	from, to, err := span(r, a.cfg.Now(), day)
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit", 1, 200, 20)
	if err != nil {
		return nil, err
	}
	found, err := a.cfg.Engine.Examples(r.Context(), ref, from, to, limit)
	if err != nil {
		return nil, err
	}
	out := make([]wire.Example, len(found))
	for i, e := range found {
		out[i] = wire.ExampleOf(e)
	}
	return out, nil
}

// suggestions answers with objectives for busy endpoints.
func (a *API) suggestions(_ http.ResponseWriter, r *http.Request) (any, error) {
	found, err := a.cfg.Engine.Suggestions(r.Context())
	if err != nil {
		return nil, err
	}
	out := make([]wire.Suggestion, len(found))
	for i, s := range found {
		out[i] = wire.SuggestionOf(s)
	}
	return out, nil
}

// corrections answers with the stretches of time that do not count, withdrawn ones too.
func (a *API) corrections(_ http.ResponseWriter, r *http.Request) (any, error) {
	s, err := a.find(r)
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Engine.Corrections(r.Context(), s.Name)
	if err != nil {
		return nil, err
	}
	out := make([]wire.Correction, len(list))
	for i, c := range list {
		out[i] = wire.CorrectionOf(c)
	}
	return out, nil
}

// correct takes a stretch of time out of an SLO.
func (a *API) correct(w http.ResponseWriter, r *http.Request) (any, error) {
	s, err := a.find(r)
	if err != nil {
		return nil, err
	}
	text, err := body(w, r)
	if err != nil {
		return nil, err
	}
	var wanted wire.Correct
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&wanted); err != nil {
		return nil, invalid("decode the correction: %w: want JSON with from, to and reason", err)
	}
	now := a.cfg.Now()
	from, ok := parseMoment(wanted.From, now)
	to, okTo := parseMoment(wanted.To, now)
	switch {
	case !ok || !okTo:
		return nil, invalid("the correction lasts from %q to %q: want times, such as 2026-03-01T08:00:00Z, 1772352000 or -2h", wanted.From, wanted.To)
	case !from.Before(to):
		return nil, invalid("the correction ends at %s, not after it begins at %s", wanted.To, wanted.From)
	case strings.TrimSpace(wanted.Reason) == "":
		return nil, invalid("the correction has no reason: say why the time does not count")
	}
	made, err := a.cfg.Engine.Correct(r.Context(), slo.Correction{
		SLO: s.Name, From: from, To: to, Reason: strings.TrimSpace(wanted.Reason), Author: author(r), At: now.UTC(),
	})
	return wire.CorrectionOf(made), err
}

// withdraw makes a stretch of time count again.
func (a *API) withdraw(_ http.ResponseWriter, r *http.Request) (any, error) {
	s, err := a.find(r)
	if err != nil {
		return nil, err
	}
	text := r.PathValue("id")
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, invalid("correction %q: want the number that it has in %s/%s/corrections", text, prefix, s.Name)
	}
	list, err := a.cfg.Engine.Corrections(r.Context(), s.Name)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if c.ID == id {
			return struct{}{}, a.cfg.Engine.Withdraw(r.Context(), id, author(r))
		}
	}
	return nil, &failure{kind: notFound, err: invalid("SLO %q has no correction %d", s.Name, id)}
}
