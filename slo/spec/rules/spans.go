package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"loadline/internal/sli"
	"loadline/query/promql/expression"
)

// metric is the native histogram of span durations.
const metric = "traces_span_duration_seconds"

// spans returns PromQL that counts the good and all events of an indicator. The metric has service, env, version,
// operation, kind, status and the class of the HTTP status; whatever asks for more is an error.
func spans(i *sli.Indicator) (good, total string, err error) {
	kinds := i.Kinds
	if len(kinds) == 0 {
		kinds = []string{"server", "consumer"}
	}
	list := []string{equal("service", i.Service), either("kind", kinds)}
	if i.Env != "" {
		list = append(list, equal("env", i.Env))
	}
	if len(i.Operations) > 0 {
		list = append(list, globs(i.Operations))
	}
	for _, m := range i.Matchers {
		text, err := matcher(m)
		if err != nil {
			return "", "", err
		}
		list = append(list, text)
	}
	total = count(list)
	list, err = goodOnly(slices.Clone(list), i.Bad)
	if err != nil {
		return "", "", err
	}
	good = count(list)
	if i.Bad.Slower > 0 {
		seconds := strconv.FormatFloat(i.Bad.Slower.Seconds(), 'g', -1, 64)
		good = "histogram_fraction(0, " + seconds + ", " + increase(list) + ") * " + good
	}
	return good, total, nil
}

// goodOnly adds the conditions that bad events do not meet.
func goodOnly(list []string, b sli.Bad) ([]string, error) {
	if b.Errors {
		list = append(list, equal("status", "ok"))
	}
	for _, code := range b.HTTP {
		if !strings.HasSuffix(code, "xx") {
			return nil, fmt.Errorf("HTTP status %s is not in the metric %s, which has classes: use for example 4xx", code, metric)
		}
		list = append(list, "http_status_class!="+strconv.Quote(code))
	}
	if len(b.GRPC) > 0 {
		return nil, fmt.Errorf("gRPC status %s is not in the metric %s: use errors", b.GRPC[0], metric)
	}
	switch len(b.Matchers) {
	case 0:
		return list, nil
	case 1:
		m := b.Matchers[0]
		m.Op = map[string]string{"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}[m.Op]
		text, err := matcher(m)
		return append(list, text), err
	}
	return nil, fmt.Errorf("bad events by %d conditions have no Prometheus rules: use one", len(b.Matchers))
}

func count(list []string) string { return "histogram_count(" + increase(list) + ")" }

func increase(list []string) string {
	return "sum(increase(" + metric + "{" + strings.Join(list, ", ") + "}[" + expression.Window + "]))"
}

func equal(label, value string) string { return label + "=" + strconv.Quote(value) }

func either(label string, values []string) string {
	if len(values) == 1 {
		return equal(label, values[0])
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	return label + "=~" + strconv.Quote(strings.Join(quoted, "|"))
}

// globs matches operations by patterns in which * stands for any text.
func globs(patterns []string) string {
	list := make([]string, len(patterns))
	plain := true
	for i, p := range patterns {
		plain = plain && !strings.Contains(p, "*")
		parts := strings.Split(p, "*")
		for k := range parts {
			parts[k] = regexp.QuoteMeta(parts[k])
		}
		list[i] = strings.Join(parts, ".*")
	}
	if plain {
		return either("operation", patterns)
	}
	return "operation=~" + strconv.Quote(strings.Join(list, "|"))
}

func matcher(m sli.Matcher) (string, error) {
	key, ok := sli.Column(m.Key)
	if !ok || key != "version" && key != "operation" {
		return "", fmt.Errorf("%q is not in the metric %s: use version or operation", m.Key, metric)
	}
	return key + m.Op + strconv.Quote(m.Value), nil
}
