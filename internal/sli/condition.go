package sli

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"loadline/internal/attribute"
)

// Test is a condition on the text of one attribute. It does not change and may be used concurrently.
type Test struct {
	// Key is where the text is: the first of its names that the span has, or else that its resource has; the empty text
	// where none is.
	Key attribute.Key

	id         string
	negated    bool
	values     []string       // one of them
	expression *regexp.Regexp // or this
}

func newTest(m Matcher) (*Test, error) {
	t := &Test{Key: attribute.Of(m.Key), id: fmt.Sprintf("%q%s%q", m.Key, m.Op, m.Value), negated: m.Op[0] == '!'}
	if m.Op == "=" || m.Op == "!=" {
		t.values = []string{m.Value}
		return t, nil
	}
	var err error
	if t.expression, err = regexp.Compile(Whole(m.Value)); err != nil {
		return nil, fmt.Errorf("matcher of %q: %w", m.Key, err)
	}
	return t, nil
}

func newGRPCTest(names []string) *Test {
	t := &Test{Key: attribute.Of(GRPCAttribute), id: "grpc " + strings.Join(names, " "), values: slices.Clone(names)}
	for _, name := range names {
		code, _ := GRPCCode(name)
		t.values = append(t.values, strconv.Itoa(code))
	}
	return t
}

// ID is the same for tests that say the same.
func (t *Test) ID() string { return t.id }

// Holds says whether the condition holds for a text.
func (t *Test) Holds(text string) bool {
	if t.expression != nil {
		return t.expression.MatchString(text) != t.negated
	}
	return slices.Contains(t.values, text) != t.negated
}

func (t *Test) holdsFor(s *Span) bool { return t.Holds(attributeOf(s, t.Key)) }

// condition is a test of a column, or else of the attribute that the test names.
type condition struct {
	column string
	test   *Test
}

func (c *condition) holds(s *Span) bool {
	if c.column == "" {
		return c.test.holdsFor(s)
	}
	return c.test.Holds(c.value(s))
}

func (c *condition) value(s *Span) string {
	switch c.column {
	case "version":
		return s.Version
	case "name":
		return s.Name
	case "operation":
		return s.Operation
	case "status":
		return statuses[min(int(s.Status), len(statuses)-1)]
	case "http.response.status_code":
		if s.HTTPStatus == 0 {
			return ""
		}
		return strconv.Itoa(int(s.HTTPStatus))
	case "error.type":
		return s.ErrorType
	case "peer":
		return s.Peer
	case "peer.type":
		return s.PeerType
	case "scope":
		return s.Scope
	}
	return attributeOf(s, c.test.Key)
}

// attributeOf is the text of an attribute, empty where it is missing.
func attributeOf(s *Span, key attribute.Key) string {
	if s.Attribute == nil {
		return ""
	}
	for _, ofResource := range []bool{false, true} {
		if ofResource && !key.OfResource || !ofResource && !key.OfSpan {
			continue
		}
		for _, name := range key.Names {
			if text, ok := s.Attribute(name, ofResource); ok {
				return text
			}
		}
	}
	return ""
}
