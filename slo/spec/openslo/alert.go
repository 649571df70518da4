package openslo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	counted "loadline/internal/sli"
	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
)

// policy is an AlertPolicy.
type policy struct {
	whenNoData, whenBreaching bool
	condition                 *condition
	conditionRef              reference
	targets                   []string    // inlined
	targetRefs                []reference // of AlertNotificationTarget
}

// condition is an AlertCondition as a tier.
type condition struct {
	name string
	tier budget.Tier
}

func readPolicy(m *document.Map) *policy {
	p := &policy{whenNoData: m.Get("alertWhenNoData").Bool(false), whenBreaching: m.Get("alertWhenBreaching").Bool(false)}
	describe(m)
	m.Get("alertWhenResolved").Bool(false) // routing tells of resolved alerts
	conditions := m.Require("conditions", "write one condition, or a conditionRef")
	items := conditions.Items()
	if len(items) > 1 {
		conditions.Error(fmt.Sprintf("has %d conditions", len(items)), "OpenSLO allows one; write rules in the annotation "+Prefix+"alert for more")
	}
	for _, item := range items[:min(1, len(items))] {
		if body := item.Map(); body.Has("conditionRef") {
			p.conditionRef = refer(body.Get("conditionRef"))
			body.Done()
			continue
		}
		inlined(item, "AlertCondition", func(name string, body *document.Map) {
			p.condition = readCondition(body)
			p.condition.name = name
		})
	}
	for _, item := range m.Get("notificationTargets").Items() {
		if body := item.Map(); body.Has("targetRef") {
			p.targetRefs = append(p.targetRefs, refer(body.Get("targetRef")))
			body.Done()
			continue
		}
		inlined(item, "AlertNotificationTarget", func(name string, body *document.Map) {
			describe(body)
			target := body.Require("target", "name the kind of target, such as slack").Text()
			if name != "" {
				target = name
			}
			p.targets = append(p.targets, target)
		})
	}
	return p
}

func readCondition(m *document.Map) *condition {
	c := &condition{}
	describe(m)
	c.tier.Severity = severity(m.Require("severity", "write page or ticket"))
	body := m.Require("condition", "write kind, op, threshold and lookbackWindow").Map()
	if kind := body.Get("kind"); kind.Set() && kind.Text() != "burnrate" {
		kind.Error(fmt.Sprintf("%q is unknown", kind.Text()), "write kind: burnrate")
	}
	op := body.Require("op", "write op: gt")
	switch op.Text() {
	case "gt", "":
	case "gte":
		op.Warn("gte alerts when the burn rate is above the threshold, not when it is equal", "write gt")
	case "lte", "lt":
		op.Warn(op.Text()+" with burnrate almost certainly means gt: a low burn rate is good", "write gt, which is how it is read")
	default:
		op.Error(fmt.Sprintf("%q is unknown", op.Text()), "write gt")
	}
	threshold := body.Require("threshold", "write a burn rate such as 14.4")
	var err error
	if c.tier.Burn, err = budget.ParseRatio(threshold.Scalar()); err != nil && threshold.Set() {
		threshold.Error(err.Error(), "write a burn rate such as 14.4")
	}
	c.tier.Long = shortDuration(body.Require("lookbackWindow", shorthandRemedy))
	c.tier.Short = short(c.tier.Long)
	if after := body.Get("alertAfter"); after.Set() && after.Scalar() != "0m" {
		c.tier.For = shortDuration(after)
	}
	body.Done()
	return c
}

// short is the second window of a tier with one lookback window: a twelfth, so that an alert ends soon after its cause.
func short(long time.Duration) time.Duration {
	return min(long, max((long/12).Round(counted.Slot), time.Minute))
}

// severity reads page and ticket, and what others call them.
func severity(v document.Value) budget.Severity {
	text := strings.ToLower(v.Text())
	switch {
	case slices.Contains([]string{"page", "critical", "sev1", "p1", "high", "emergency"}, text):
		return budget.Page
	case !slices.Contains([]string{"ticket", "warning", "sev2", "sev3", "p2", "p3", "medium", "low", "info", ""}, text):
		v.Warn(fmt.Sprintf("severity %q is unknown and opens a ticket", text), "write page or ticket")
	}
	return budget.Ticket
}

// shortDuration reads a duration shorthand of fixed length.
func shortDuration(v document.Value) time.Duration {
	n, unit := shorthandOf(v)
	switch unit {
	case 'm':
		return time.Duration(n) * time.Minute
	case 'h':
		return time.Duration(n) * time.Hour
	case 'd':
		return time.Duration(n) * budget.Day
	case 'w':
		return time.Duration(n) * 7 * budget.Day
	case 0:
		return 0
	}
	v.Error(fmt.Sprintf("%s has no fixed length", v.Scalar()), "write 30d for a month, 90d for a quarter and 365d for a year")
	return 0
}

// merge makes one policy of the alert policies of an SLO.
func (r *resolver) merge(refs []policyOrRef, window budget.Window) (budget.Policy, []string) {
	p := budget.DefaultPolicy(window)
	p.Tiers, p.NoDataAlert = nil, ""
	var notify []string
	for _, ref := range refs {
		one, ok := ref.policy, ref.policy != nil
		if !ok {
			if one, ok = find(r, ref.ref, "AlertPolicy", func(o *Object) *policy { return o.policy }); !ok {
				continue
			}
		}
		c, ok := one.condition, one.condition != nil
		if !ok {
			if c, ok = find(r, one.conditionRef, "AlertCondition", func(o *Object) *condition { return o.condition }); !ok {
				continue
			}
		}
		r.tier(&p, one, c, ref.ref)
		notify = append(notify, one.targets...)
		for _, target := range one.targetRefs {
			if r.exists(target, "AlertNotificationTarget") {
				notify = append(notify, target.name)
			}
		}
	}
	slices.Sort(notify)
	return p, slices.Compact(notify)
}

func (r *resolver) tier(p *budget.Policy, one *policy, c *condition, ref reference) {
	t := c.tier
	if t.Name = c.name; t.Name == "" {
		t.Name = fmt.Sprintf("%s-%d", t.Severity, len(p.Tiers)+1)
	}
	if one.whenNoData && p.NoDataAlert != budget.Page {
		p.NoDataAlert = t.Severity
	}
	if !one.whenBreaching && !one.whenNoData {
		at := ref.at
		at.Severity = spec.Warning
		r.add(at, "the policy alerts neither when breaching nor without data", "write alertWhenBreaching: true")
	}
	if one.whenBreaching {
		p.Tiers = append(p.Tiers, t)
	}
}
