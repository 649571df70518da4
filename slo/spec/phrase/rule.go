package phrase

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"loadline/slo/budget"
	"loadline/slo/spec"
)

const slicesRemedy = `write "good at 95%", with ", good when empty", ", bad when empty" or ", ignored when empty" if you like`

// ParseSlices reads when a slice of time is good: "good at 95%, ignored when empty". Either part may be missing.
func ParseSlices(text string) (target budget.Target, empty budget.Empty, err error) {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.ToLower(strings.Join(strings.Fields(part), " "))
		if share, ok := strings.CutPrefix(part, "good at "); ok {
			if share == "100%" {
				target, err = budget.ParseSliceTarget("1")
			} else {
				target, err = ParseShare(share)
			}
			if err == nil && target.Good.Num == 0 {
				err = fail(slicesRemedy, "a slice that is good at 0%% is always good")
			}
			if err != nil {
				return target, empty, err
			}
			continue
		}
		switch part {
		case "ignored when empty":
			empty = budget.EmptyIgnored
		case "good when empty":
			empty = budget.EmptyGood
		case "bad when empty":
			empty = budget.EmptyBad
		default:
			return target, empty, fail(slicesRemedy, "%q is not understood", part)
		}
	}
	return target, empty, nil
}

// FormatSlices writes when a slice is good; empty when there is nothing to say.
func FormatSlices(target budget.Target, empty budget.Empty) string {
	var parts []string
	if target.Good.Num > 0 {
		parts = append(parts, "good at "+target.String())
	}
	switch empty {
	case budget.EmptyGood:
		parts = append(parts, "good when empty")
	case budget.EmptyBad:
		parts = append(parts, "bad when empty")
	}
	return strings.Join(parts, ", ")
}

var rule = regexp.MustCompile(`(?i)^\s*(page|ticket)\s+(?:at|when)\s+([0-9.]+)\s*(?:x|times)\s+over\s+(.+?)\s+and\s+(.+?)(?:\s+for\s+(.+?))?\s*$`)

// ParseRule reads a tier of a policy: "page at 14.4x over 1h and 5m", or with "for 2m" at its end. Its name is made of its
// severity and long window.
func ParseRule(text string) (budget.Tier, error) {
	const remedy = `write for example "page at 14.4x over 1h and 5m"`
	m := rule.FindStringSubmatch(text)
	if m == nil {
		return budget.Tier{}, fail(remedy, "%q is no rule", text)
	}
	t := budget.Tier{Severity: budget.Severity(strings.ToLower(m[1]))}
	var err error
	if t.Burn, err = budget.ParseRatio(m[2]); err != nil {
		return t, explained(err, remedy)
	}
	if t.Long, err = ParseDuration(m[3]); err != nil {
		return t, err
	}
	if t.Short, err = ParseDuration(m[4]); err != nil {
		return t, err
	}
	if m[5] != "" {
		if t.For, err = ParseDuration(m[5]); err != nil {
			return t, err
		}
	}
	t.Name = RuleName(t)
	return t, nil
}

// RuleName is the name of a tier that has none of its own: page-1h.
func RuleName(t budget.Tier) string { return string(t.Severity) + "-" + FormatDuration(t.Long) }

// FormatRule writes a tier, without its name.
func FormatRule(t budget.Tier) string {
	text := string(t.Severity) + " at " + t.Burn.String() + "x over " + FormatDuration(t.Long) + " and " + FormatDuration(t.Short)
	if t.For > 0 {
		text += " for " + FormatDuration(t.For)
	}
	return text
}

// presets are the words for policies that mean more than their name.
func presets() map[string]string {
	return map[string]string{"page and ticket": "default", "ticket and page": "default", "off": "none", "nothing": "none"}
}

// ParsePreset returns the policy of a window by its name: page and ticket, page, ticket, none, sloth or pyrra.
func ParsePreset(text string, w budget.Window) (string, budget.Policy, error) {
	name := strings.ToLower(strings.Join(strings.Fields(text), " "))
	if preset, ok := presets()[name]; ok {
		name = preset
	}
	policy, ok := budget.Preset(name, w)
	if !ok {
		return "", policy, fail("write page and ticket, page, ticket, none, sloth or pyrra, or fields with rules of your own", "unknown policy %q", text)
	}
	return name, policy, nil
}

// FormatPreset writes the name of a policy.
func FormatPreset(name string) string {
	if name == "default" {
		return "page and ticket"
	}
	return name
}

var comparison = regexp.MustCompile(`^(<=|>=|<|>|below|above|at most|at least)\s*(\S+)$`)

// ParseComparison reads when a value is good: "below 30", "at most 30", "above 5", "at least 5", or with < <= > >=.
func ParseComparison(text string) (op string, value float64, err error) {
	const remedy = `write "below 30", "at most 30", "above 5" or "at least 5", in the unit of the query`
	m := comparison.FindStringSubmatch(strings.ToLower(strings.Join(strings.Fields(text), " ")))
	if m == nil {
		return "", 0, fail(remedy, "%q is no comparison", text)
	}
	if value, err = strconv.ParseFloat(m[2], 64); err != nil || value-value != 0 {
		return "", 0, fail(remedy, "%q is no number", m[2])
	}
	switch op = m[1]; op {
	case "below":
		op = "<"
	case "at most":
		op = "<="
	case "above":
		op = ">"
	case "at least":
		op = ">="
	}
	return op, value, nil
}

// FormatComparison writes when a value is good.
func FormatComparison(op string, value float64) string {
	name := map[string]string{"<": "below", "<=": "at most", ">": "above", ">=": "at least"}[op]
	return name + " " + strconv.FormatFloat(value, 'g', -1, 64)
}

const maxMembers = 100

const combineRemedy = `write "all of checkout, payment", "worst of a, b" or "mean of a (2), b", with slo/objective where an SLO has several`

// ParseComposite reads what an objective is made of: "all of checkout, payment/fast", "worst of a, b", or "mean of a (2), b"
// with weights in parentheses.
func ParseComposite(text string) (*spec.Composite, error) {
	method, list, ok := strings.Cut(strings.TrimSpace(text), " of ")
	c := &spec.Composite{}
	switch strings.ToLower(strings.TrimSpace(method)) {
	case "all":
		c.Method = "any"
	case "mean":
		c.Method = "weighted"
	case "worst":
		c.Method = "worst"
	default:
		ok = false
	}
	if !ok {
		return nil, fail(combineRemedy, "%q is not understood", text)
	}
	list = strings.ReplaceAll(list, " and ", ",")
	for part := range strings.SplitSeq(list, ",") {
		m, err := parseMember(part, c.Method == "weighted")
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(c.Members, func(o spec.Member) bool { return o.SLO == m.SLO && o.Objective == m.Objective }) {
			return nil, fail(combineRemedy, "%q is there twice", strings.TrimSpace(part))
		}
		c.Members = append(c.Members, m)
	}
	if n := len(c.Members); n > maxMembers {
		return nil, fail("make several SLOs", "there are %d parts, more than %d", n, maxMembers)
	}
	if len(c.Members) < 2 {
		return nil, fail(combineRemedy, "there are fewer than two parts")
	}
	return c, nil
}

func parseMember(text string, weighted bool) (spec.Member, error) {
	name, weight, has := strings.Cut(strings.TrimSpace(text), "(")
	m := spec.Member{Weight: budget.Ratio{Num: 1, Den: 1}}
	m.SLO, m.Objective, _ = strings.Cut(strings.TrimSpace(name), "/")
	if m.SLO == "" || strings.ContainsAny(name[:len(strings.TrimSpace(name))], " \t\"'()") {
		return m, fail(combineRemedy, "%q is no name of an SLO", strings.TrimSpace(text))
	}
	if !has {
		return m, nil
	}
	weight, closed := strings.CutSuffix(strings.TrimSpace(weight), ")")
	var err error
	if m.Weight, err = budget.ParseRatio(strings.TrimSpace(weight)); err != nil || !closed || m.Weight.Num == 0 {
		return m, fail(combineRemedy, "weight %q is no number above 0", weight)
	}
	if !weighted {
		return m, fail(combineRemedy, "only a mean has weights")
	}
	return m, nil
}

// FormatComposite writes what an objective is made of.
func FormatComposite(c *spec.Composite) string {
	list := make([]string, len(c.Members))
	for i, m := range c.Members {
		list[i] = m.SLO
		if m.Objective != "" {
			list[i] += "/" + m.Objective
		}
		if c.Method == "weighted" && m.Weight.Num != m.Weight.Den {
			list[i] += " (" + m.Weight.String() + ")"
		}
	}
	return map[string]string{"any": "all", "weighted": "mean", "worst": "worst"}[c.Method] + " of " + strings.Join(list, ", ")
}
