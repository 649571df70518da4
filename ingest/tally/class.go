package tally

import (
	"slices"
	"unsafe"

	"loadline/ingest/spans"
	"loadline/ingest/wire"
	"loadline/internal/attribute"
)

// serviceSpans tells the spans of a service in one segment apart.
type serviceSpans struct {
	*service
	texts, groupTexts []finder
	found             []string // the texts of a span
}

func newServiceSpans(s *service, v *spans.View) *serviceSpans {
	out := &serviceSpans{service: s, found: make([]string, len(s.texts))}
	for _, key := range s.texts {
		out.texts = append(out.texts, newFinder(key, v))
	}
	for i := range s.groups {
		out.groupTexts = append(out.groupTexts, newFinder(s.groups[i].key, v))
	}
	return out
}

// classOf is what a span has in common with those that are judged like it.
func (s *serviceSpans) classOf(c *Counter, row int) class {
	v := &c.view
	k := class{
		service: v.Service.Indexes[row], kind: uint8(v.Kind[row]), failed: v.Failed[row], root: v.Root(row),
	}
	u := &s.uses
	if u.env {
		k.env = v.Env.Indexes[row]
	}
	if u.version {
		k.version = v.Version.Indexes[row]
	}
	if u.operation {
		k.operation = v.Operation.Indexes[row]
	}
	if u.name {
		k.name = v.Name.Indexes[row]
	}
	if u.status {
		k.status = uint8(v.Status[row])
	}
	if u.httpStatus {
		k.httpStatus = v.HTTPStatus[row]
	}
	if u.errorType {
		k.errorType = v.ErrorType.Indexes[row]
	}
	if u.peer {
		k.peer = v.Peer.Indexes[row]
	}
	if u.peerType {
		k.peerType = v.PeerType.Indexes[row]
	}
	if u.scope {
		k.scope = v.Scope.Indexes[row]
	}
	if len(s.tests) > 0 {
		k.tests = s.outcomes(c, row)
	}
	if len(s.groups) > 0 {
		k.groups = s.groupsOf(c, row)
	}
	return k
}

// outcomes is a number for how the tests come out: a bit each, and more than fit are numbered.
func (s *serviceSpans) outcomes(c *Counter, row int) uint64 {
	for i := range s.texts {
		s.found[i] = s.texts[i].find(&c.view, row)
	}
	var earlier, bits uint64
	for i, t := range s.tests {
		if i > 0 && i%64 == 0 {
			earlier, bits = c.pair(earlier, bits), 0
		}
		if t.Holds(s.found[t.text]) {
			bits |= 1 << (i % 64)
		}
	}
	if len(s.tests) <= 64 {
		return bits
	}
	return c.pair(earlier, bits)
}

// groupsOf is a number for the groups that a span is in, of those that may be counted apart. Values that are as many as
// spans must not make a class each.
func (s *serviceSpans) groupsOf(c *Counter, row int) uint64 {
	var all uint64
	for i := range s.groups {
		var n uint64
		if text := s.groupTexts[i].find(&c.view, row); s.groups[i].counts(text) {
			n = c.groupNumber(text)
		}
		if i == 0 {
			all = n
		} else {
			all = c.pair(all, n)
		}
	}
	return all
}

// groupNumber numbers the groups of a segment from 1 on.
func (c *Counter) groupNumber(text string) uint64 {
	n, ok := c.groups[text]
	if !ok {
		n = uint64(len(c.groups) + 1)
		c.groups[string([]byte(text))] = n
	}
	return n
}

// pair numbers pairs of numbers.
func (c *Counter) pair(x, y uint64) uint64 {
	n, ok := c.pairs[[2]uint64{x, y}]
	if !ok {
		n = uint64(len(c.pairs) + 1)
		c.pairs[[2]uint64{x, y}] = n
	}
	return n
}

// finder finds the text of one attribute in the spans of one segment.
type finder struct {
	key      attribute.Key
	numbers  []uint32 // of the names that spans of the segment have
	resource *wire.Resource
	text     string // of the resource
}

func newFinder(key attribute.Key, v *spans.View) finder {
	f := finder{key: key}
	if key.OfSpan {
		for _, name := range key.Names {
			if n, ok := v.Attributes.Keys.Find(name); ok {
				f.numbers = append(f.numbers, n)
			}
		}
	}
	return f
}

// find returns the text of a span, which is valid until the view's end, or the empty text.
func (f *finder) find(v *spans.View, row int) string {
	if len(f.numbers) > 0 {
		keys, first := v.Attributes.Row(row)
		for _, number := range f.numbers {
			if i := slices.Index(keys, number); i >= 0 {
				value := v.Attributes.Value(first + i)
				return unsafe.String(unsafe.SliceData(value), len(value))
			}
		}
	}
	if !f.key.OfResource {
		return ""
	}
	if r := v.Resource(row); r != f.resource {
		f.resource, f.text = r, ""
		for _, name := range f.key.Names {
			if text, ok := r.Attribute(name); ok {
				f.text = text
				break
			}
		}
	}
	return f.text
}
