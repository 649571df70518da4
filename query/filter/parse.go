package filter

import (
	"fmt"
	"strings"
)

// Parse reads the text form of matchers: conditions joined by AND, "&&" or nothing, such as
//
//	http.route = "/v1/checkout" AND duration > 400ms AND user.id exists
//
// Values with spaces or quotes stand in double quotes, where \" and \\ are a quote and a backslash. Format
// writes what Parse reads.
func Parse(text string) ([]Matcher, error) {
	p := filterParser{rest: text}
	var list []Matcher
	for {
		p.space()
		if p.rest == "" {
			return list, nil
		}
		if len(list) > 0 && p.joiner() {
			p.space()
		}
		m, err := p.matcher()
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
}

type filterParser struct{ rest string }

func (p *filterParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// joiner consumes AND or &&.
func (p *filterParser) joiner() bool {
	if rest, ok := strings.CutPrefix(p.rest, "&&"); ok {
		p.rest = rest
		return true
	}
	if len(p.rest) > 4 && strings.EqualFold(p.rest[:3], "and") && strings.ContainsRune(" \t\r\n", rune(p.rest[3])) {
		p.rest = p.rest[3:]
		return true
	}
	return false
}

func (p *filterParser) matcher() (Matcher, error) {
	end := strings.IndexAny(p.rest, " \t\r\n=!<>\"")
	if end < 0 {
		end = len(p.rest)
	}
	m := Matcher{Key: p.rest[:end]}
	if m.Key == "" {
		return m, fmt.Errorf("filter: expected a key at %q, write for example http.route = /v1/checkout", p.rest)
	}
	p.rest = p.rest[end:]
	p.space()
	m.Op = p.op()
	if m.Op == "" {
		return m, fmt.Errorf("filter %q: expected = != > < >= <= =~ !~ exists or !exists at %q", m.Key, p.rest)
	}
	if m.Op == Exists || m.Op == NotExists {
		return m, nil
	}
	p.space()
	value, err := p.value()
	if err != nil {
		return m, fmt.Errorf("filter %q: %w", m.Key, err)
	}
	m.Value = value
	return m, m.check()
}

func (p *filterParser) op() Op {
	for _, op := range []Op{NotMatch, Match, NotEqual, GreaterEqual, LessEqual, Equal, Greater, Less, NotExists, Exists} {
		if rest, ok := strings.CutPrefix(p.rest, string(op)); ok {
			p.rest = rest
			return op
		}
	}
	return ""
}

func (p *filterParser) value() (string, error) {
	if !strings.HasPrefix(p.rest, `"`) {
		end := strings.IndexAny(p.rest, " \t\r\n")
		if end < 0 {
			end = len(p.rest)
		}
		if end == 0 {
			return "", fmt.Errorf(`expected a value, write "" for an empty one`)
		}
		value := p.rest[:end]
		p.rest = p.rest[end:]
		return value, nil
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("value %q has no closing quote", p.rest)
}

var filterQuoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Format writes matchers as text.
func Format(matchers []Matcher) string {
	list := make([]string, len(matchers))
	for i, m := range matchers {
		switch {
		case m.Op == Exists || m.Op == NotExists:
			list[i] = m.Key + " " + string(m.Op)
		case m.Value == "" || strings.ContainsAny(m.Value, " \t\r\n\"\\"):
			list[i] = m.Key + " " + string(m.Op) + ` "` + filterQuoter.Replace(m.Value) + `"`
		default:
			list[i] = m.Key + " " + string(m.Op) + " " + m.Value
		}
	}
	return strings.Join(list, " AND ")
}
