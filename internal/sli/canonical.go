package sli

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of an indicator. Each is far above what anybody means, and low enough that a definition cannot hurt the write
// path.
const (
	maxText       = 1024 // bytes of a service, a pattern, a key or a value
	maxExpression = 1000 // bytes of an expression
	maxOperations = 100
	maxMatchers   = 20
	maxCodes      = 100
	maxSlower     = 24 * time.Hour
	maxMaxGroups  = 1000
)

// MaxGroupBytes is how long the value of a group may be. Events with a longer one count in the whole only.
const MaxGroupBytes = 256

// Validate reports the first thing in the indicator that cannot be counted by, and what to write instead.
func (i Indicator) Validate() error {
	_, err := i.Canonical()
	return err
}

// Canonical returns the indicator in the one form of all that say the same: keys and codes as this product spells them,
// lists sorted and without repetition, defaults left out. What counts by an indicator reads this form. An error names
// what cannot be counted by.
func (i Indicator) Canonical() (Indicator, error) {
	if i.Service == "" || len(i.Service) > maxText || len(i.Env) > maxText {
		return i, errors.New("service of the indicator is empty, or a name is too long: give the service whose spans are counted")
	}
	var err error
	if i.Operations, err = canonicalOperations(i.Operations); err != nil {
		return i, err
	}
	if i.Kinds, err = canonicalKinds(i.Kinds); err != nil {
		return i, err
	}
	if i.Matchers, err = canonicalMatchers(i.Matchers); err != nil {
		return i, err
	}
	if i.Bad, err = i.Bad.canonical(); err != nil {
		return i, err
	}
	return i.canonicalGroups()
}

func (i Indicator) canonicalGroups() (Indicator, error) {
	if i.MaxGroups < 0 || i.MaxGroups > maxMaxGroups {
		return i, fmt.Errorf("%d groups: give a number up to %d, or none for %d", i.MaxGroups, maxMaxGroups, DefaultGroups)
	}
	if i.GroupBy == "" {
		i.MaxGroups = 0
		return i, nil
	}
	if i.MaxGroups == DefaultGroups {
		i.MaxGroups = 0
	}
	if err := checkKey(i.GroupBy); err != nil {
		return i, fmt.Errorf("group by: %w", err)
	}
	if column, ok := Column(i.GroupBy); ok {
		i.GroupBy = column
	}
	return i, nil
}

func canonicalOperations(list []string) ([]string, error) {
	if len(list) > maxOperations {
		return nil, fmt.Errorf("%d operations: give up to %d, or patterns with *", len(list), maxOperations)
	}
	var out []string
	for _, pattern := range list {
		if pattern == "" || len(pattern) > maxText {
			return nil, fmt.Errorf("operation %.20q is empty or longer than %d bytes", pattern, maxText)
		}
		for strings.Contains(pattern, "**") {
			pattern = strings.ReplaceAll(pattern, "**", "*")
		}
		if pattern == "*" {
			return nil, nil
		}
		out = append(out, pattern)
	}
	return sorted(out), nil
}

func canonicalKinds(list []string) ([]string, error) {
	for _, kind := range list {
		if kind == "" || !slices.Contains(kinds, kind) {
			return nil, fmt.Errorf("kind %q: use server, consumer, client, producer or internal", kind)
		}
	}
	return sorted(list), nil
}

func canonicalMatchers(list []Matcher) ([]Matcher, error) {
	if len(list) > maxMatchers {
		return nil, fmt.Errorf("%d matchers: give up to %d", len(list), maxMatchers)
	}
	var out []Matcher
	for _, m := range list {
		m, err := m.canonical()
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(x, y Matcher) int {
		return cmp.Or(cmp.Compare(x.Key, y.Key), cmp.Compare(x.Op, y.Op), cmp.Compare(x.Value, y.Value))
	})
	return slices.Compact(out), nil
}

func (m Matcher) canonical() (Matcher, error) {
	if err := checkKey(m.Key); err != nil {
		return m, err
	}
	if column, ok := Column(m.Key); ok {
		m.Key = column
	}
	switch m.Op {
	case "=", "!=":
		if len(m.Value) > maxText {
			return m, fmt.Errorf("matcher of %q: value is longer than %d bytes", m.Key, maxText)
		}
		if class, ok := httpClass(m.Value); ok && m.Key == "http.response.status_code" {
			m.Op = map[string]string{"=": "=~", "!=": "!~"}[m.Op]
			m.Value = class + "[0-9][0-9]"
		}
	case "=~", "!~":
		if len(m.Value) > maxExpression {
			return m, fmt.Errorf("matcher of %q: expression is longer than %d bytes", m.Key, maxExpression)
		}
		if err := checkExpression(m.Value); err != nil {
			return m, fmt.Errorf("matcher of %q: expression %q: %w", m.Key, m.Value, err)
		}
	default:
		return m, fmt.Errorf("matcher of %q: operator %q: use =, !=, =~ or !~", m.Key, m.Op)
	}
	return m, nil
}

func (b Bad) canonical() (Bad, error) {
	if b.Slower < 0 || b.Slower > maxSlower {
		return b, fmt.Errorf("duration %s above which an event is bad: use one between 0 and %s", b.Slower, maxSlower)
	}
	if len(b.HTTP) > maxCodes || len(b.GRPC) > maxCodes {
		return b, fmt.Errorf("more than %d status codes: use classes such as 5xx", maxCodes)
	}
	for i, code := range b.HTTP {
		if _, ok := httpClass(code); !ok && !isHTTPCode(code) {
			return b, fmt.Errorf("HTTP status %q: use a code such as 503 or a class such as 5xx", code)
		}
		b.HTTP = slices.Clone(b.HTTP)
		b.HTTP[i] = strings.ToLower(code)
	}
	b.HTTP = sorted(b.HTTP)
	for _, code := range b.GRPC {
		if _, ok := GRPCCode(code); !ok {
			return b, fmt.Errorf("gRPC status %q: use a name such as UNAVAILABLE", code)
		}
	}
	b.GRPC = sorted(b.GRPC)
	var err error
	b.Matchers, err = canonicalMatchers(b.Matchers)
	return b, err
}

// httpClass reads "5xx" as "5".
func httpClass(s string) (string, bool) {
	if len(s) == 3 && s[0] >= '1' && s[0] <= '5' && strings.EqualFold(s[1:], "xx") {
		return s[:1], true
	}
	return "", false
}

func isHTTPCode(s string) bool {
	return len(s) == 3 && s[0] >= '1' && s[0] <= '5' && s[1] >= '0' && s[1] <= '9' && s[2] >= '0' && s[2] <= '9'
}

// sorted returns the values in order, each once; nil when there are none.
func sorted(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// Groups is how many groups are counted apart; 0 where the indicator has none.
func (i Indicator) Groups() int {
	switch {
	case i.GroupBy == "":
		return 0
	case i.MaxGroups == 0:
		return DefaultGroups
	}
	return i.MaxGroups
}

// ID names the counts of an indicator that is counted from the slot that starts at since, in Unix seconds. Indicators that
// say the same have the same; it is never 0. The error is that of Canonical.
func ID(i Indicator, since int64) (uint64, error) {
	i, err := i.Canonical()
	if err != nil {
		return 0, err
	}
	text, err := json.Marshal(i)
	if err != nil {
		return 0, fmt.Errorf("encode indicator of service %q: %w", i.Service, err)
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(text, uint64(since)))
	return max(1, binary.BigEndian.Uint64(sum[:])), nil
}
