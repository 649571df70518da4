package phrase

import (
	"slices"
	"strconv"
	"strings"

	"loadline/internal/sli"
	"loadline/query/filter"
)

const goodRemedy = `write "no errors", "within 400ms", "no errors and within 400ms", or "no errors, 429 or UNAVAILABLE"`

// ParseGood reads what makes an event good: "no" with errors, HTTP codes, classes of them and gRPC codes, and "within"
// with a duration, joined by commas and "and". All of it has to hold.
func ParseGood(text string) (sli.Bad, error) {
	p := goodParser{words: strings.Fields(strings.ReplaceAll(text, ",", " , "))}
	if len(p.words) == 0 {
		return sli.Bad{}, fail(goodRemedy, "nothing says what makes an event good")
	}
	for len(p.words) > 0 {
		if err := p.next(); err != nil {
			return sli.Bad{}, err
		}
	}
	if !p.complete {
		return sli.Bad{}, fail(goodRemedy, "%q is not complete", text)
	}
	return p.bad, nil
}

type goodParser struct {
	words    []string
	bad      sli.Bad
	listing  bool   // after "no"
	joiner   string // the word before
	complete bool   // does not end in a word that wants another
}

func (p *goodParser) next() error {
	word := p.words[0]
	p.words = p.words[1:]
	joiner := p.joiner
	p.joiner = ""
	switch strings.ToLower(word) {
	case ",", "and", "or":
		p.joiner, p.complete = strings.ToLower(word), false
		return nil
	case "no", "without", "not":
		p.listing, p.complete = true, false
		return nil
	case "within", "under", "faster":
		p.listing = false
		if joiner == "or" {
			return fail(goodRemedy, `"or" before %q: a good event meets all of it`, word)
		}
		return p.within()
	}
	if !p.listing {
		return fail(goodRemedy, "%q is not understood", word)
	}
	p.complete = true
	return p.status(word)
}

func (p *goodParser) within() error {
	if len(p.words) > 0 && p.words[0] == "than" {
		p.words = p.words[1:]
	}
	n := 0
	for n < len(p.words) && !slices.Contains([]string{",", "and", "or", "no", "without"}, p.words[n]) {
		n++
	}
	text := strings.Join(p.words[:n], " ")
	p.words = p.words[n:]
	d, err := ParseDuration(text)
	if err != nil {
		return err
	}
	if p.bad.Slower != 0 {
		return fail("keep one, or make two objectives", "there are two durations")
	}
	p.bad.Slower, p.complete = d, true
	return nil
}

// status takes a word of the list of what must not be.
func (p *goodParser) status(word string) error {
	lower := strings.ToLower(word)
	if lower == "errors" || lower == "error" || lower == "failures" {
		p.bad.Errors = true
		return nil
	}
	if _, ok := filter.StatusClass(lower); ok {
		p.bad.HTTP = add(p.bad.HTTP, lower)
		return nil
	}
	if code, err := strconv.Atoi(word); err == nil {
		if code < 100 || code > 599 {
			return fail("write a code from 100 to 599, or a class such as 5xx", "%s is no HTTP status code", word)
		}
		p.bad.HTTP = add(p.bad.HTTP, strconv.Itoa(code))
		return nil
	}
	if _, ok := sli.GRPCCode(strings.ToUpper(word)); ok {
		p.bad.GRPC = add(p.bad.GRPC, strings.ToUpper(word))
		return nil
	}
	return fail(goodRemedy, `%q after "no" is neither errors, nor an HTTP code, nor a gRPC code`, word)
}

func add(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// FormatGood writes what makes an event good, but for matchers. It is empty when nothing else makes one bad.
func FormatGood(bad sli.Bad) string {
	var no []string
	if bad.Errors {
		no = append(no, "errors")
	}
	no = append(append(no, bad.HTTP...), bad.GRPC...)
	var parts []string
	if n := len(no); n > 0 {
		parts = append(parts, "no "+List(no, "or"))
	}
	if bad.Slower > 0 {
		parts = append(parts, "within "+FormatDuration(bad.Slower))
	}
	return strings.Join(parts, " and ")
}

// List writes a list the way people do: a, b and c.
func List(items []string, joiner string) string {
	if n := len(items); n > 1 {
		return strings.Join(items[:n-1], ", ") + " " + joiner + " " + items[n-1]
	}
	return strings.Join(items, "")
}

const whereRemedy = `write conditions such as http.route = /v1/checkout AND version != canary, with = != =~ or !~`

// ParseWhere reads conditions on spans, joined by AND: KEY = VALUE, and != =~ !~. Keys that have
// a field of their own, such as service and env, and durations, which good speaks of, are refused.
func ParseWhere(text string) ([]sli.Matcher, error) {
	parsed, err := filter.Parse(text)
	if err != nil {
		return nil, explained(err, whereRemedy)
	}
	if len(parsed) == 0 {
		return nil, fail(whereRemedy, "there is no condition")
	}
	list := make([]sli.Matcher, len(parsed))
	for i, m := range parsed {
		switch m.Op {
		case filter.Equal, filter.NotEqual, filter.Match, filter.NotMatch:
		case filter.Exists:
			m.Op, m.Value = filter.NotEqual, ""
		case filter.NotExists:
			m.Op, m.Value = filter.Equal, ""
		default:
			return nil, fail(whereRemedy, "operator %s of %q cannot be counted while spans arrive", m.Op, m.Key)
		}
		key := m.Key
		if f, ok := filter.FieldOf(key); ok {
			key = f.Name
		}
		if remedy, ok := elsewhere(key); ok {
			return nil, fail(remedy, "%q is not a condition here", m.Key)
		}
		if key == "status" && (m.Op == filter.Equal || m.Op == filter.NotEqual) && !slices.Contains([]string{"ok", "error", "unset"}, m.Value) {
			return nil, fail("write ok, error or unset, or http.response.status_code = "+m.Value, "status %q is none of a span", m.Value)
		}
		list[i] = sli.Matcher{Key: key, Op: string(m.Op), Value: m.Value}
	}
	return list, nil
}

// elsewhere says where a key is written that conditions do not have.
func elsewhere(key string) (string, bool) {
	switch key {
	case "service":
		return "name it in service, or in spans_of where the promise is about another service", true
	case "env":
		return "name it in env", true
	case "kind":
		return "name it in kinds", true
	case "duration":
		return `say it with good: "within 400ms"`, true
	case "error":
		return `say it with good: "no errors"`, true
	case "root", "trace_id", "span_id", "status.message":
		return "use an attribute of the spans", true
	}
	return "", false
}

// FormatWhere writes conditions.
func FormatWhere(list []sli.Matcher) string {
	out := make([]filter.Matcher, len(list))
	for i, m := range list {
		out[i] = filter.Matcher{Key: m.Key, Op: filter.Op(m.Op), Value: m.Value}
	}
	return filter.Format(out)
}
