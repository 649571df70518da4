package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"loadline/web/promapi/failure"
	"loadline/web/promapi/param"
)

// request says which rules are asked for.
type request struct {
	names, groups, files []string
	selectors            [][]*labels.Matcher
	alerting, recording  bool
	withAlerts           bool
	page                 page
}

// page is a part of the groups.
type page struct {
	size  int    // 0 for all
	token string // of the first group, empty for the first of all
}

// List returns the answer to a request for rules with these parameters, for encoding/json.
func List(groups []Group, form url.Values, p parser.Parser) (any, *failure.Error) {
	req, f := parse(form, p)
	if f != nil {
		return nil, f
	}
	out := groupsDoc{Groups: []groupDoc{}}
	found := req.page.token == ""
	for _, g := range groups {
		if !found {
			if found = token(g) == req.page.token; !found {
				continue
			}
		}
		if !wanted(req.groups, g.Name) || !wanted(req.files, g.File) {
			continue
		}
		doc := req.group(g)
		if len(doc.Rules) == 0 {
			continue
		}
		if req.page.size > 0 && len(out.Groups) == req.page.size {
			out.Next = token(g)
			break
		}
		out.Groups = append(out.Groups, doc)
	}
	if !found {
		return nil, failure.Invalid("group_next_token", fmt.Errorf("invalid group_next_token '%v'. were rule groups changed?", req.page.token))
	}
	return out, nil
}

func parse(form url.Values, p parser.Parser) (req request, f *failure.Error) {
	req = request{names: form["rule_name[]"], groups: form["rule_group[]"], files: form["file[]"]}
	var err error
	if req.selectors, err = param.Matchers(p, form["match[]"]); err != nil {
		return req, &failure.Error{Kind: failure.BadData, Err: err}
	}
	kind := strings.ToLower(form.Get("type"))
	if kind != "" && kind != "alert" && kind != "record" {
		return req, failure.Invalid("type", fmt.Errorf("not supported value %q", kind))
	}
	req.alerting, req.recording = kind != "record", kind != "alert"
	req.withAlerts = true
	if s := strings.ToLower(form.Get("exclude_alerts")); s != "" {
		exclude, err := strconv.ParseBool(s)
		if err != nil {
			return req, failure.Invalid("exclude_alerts", fmt.Errorf("error converting exclude_alerts: %w", err))
		}
		req.withAlerts = !exclude
	}
	req.page, f = parsePage(form.Get("group_limit"), form.Get("group_next_token"))
	return req, f
}

func parsePage(size, token string) (page, *failure.Error) {
	if size == "" {
		if token != "" {
			return page{}, failure.Invalid("group_next_token", errors.New("group_limit needs to be present in order to paginate over the groups"))
		}
		return page{}, nil
	}
	n, err := strconv.ParseInt(size, 10, 32)
	if err != nil {
		return page{}, failure.Invalid("group_limit", fmt.Errorf("group_limit needs to be a valid number: %w", err))
	}
	if n <= 0 {
		return page{}, failure.Invalid("group_limit", errors.New("group_limit needs to be greater than 0"))
	}
	return page{int(n), token}, nil
}

// group describes a group with those of its rules that are asked for.
func (r *request) group(g Group) groupDoc {
	doc := groupDoc{
		Name: g.Name, File: g.File, Rules: []any{}, Interval: g.Interval.Seconds(), Limit: g.Limit,
		EvaluationTime: g.EvaluationTime.Seconds(), LastEvaluation: g.LastEvaluation,
	}
	for i := range g.Rules {
		rule := &g.Rules[i]
		asked := r.recording
		if rule.Alerting != nil {
			asked = r.alerting
		}
		if asked && wanted(r.names, rule.Name) && matches(rule.Labels, r.selectors) {
			doc.Rules = append(doc.Rules, ruleDoc(rule, r.withAlerts))
		}
	}
	return doc
}

// token names a group in requests for the groups from it on.
func token(g Group) string {
	sum := sha256.Sum256([]byte(g.File + ";" + g.Name))
	return hex.EncodeToString(sum[:])
}
