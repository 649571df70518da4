package document

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"loadline/internal/spelling"
	"loadline/slo/spec"
)

// Value is a value of a document, or the place where one is missing. The zero Value is missing and reports nothing.
type Value struct {
	doc  *Document
	node *yaml.Node // nil when it is missing
	at   *yaml.Node // where it would stand when it is missing
	path string
}

// Set reports whether the value is there; one that is null is not.
func (v Value) Set() bool { return v.node != nil && v.node.Tag != "!!null" }

// Path names the value, such as spec.objectives[0].target.
func (v Value) Path() string { return v.path }

// Error records that the value is wrong, and how to write it.
func (v Value) Error(message, remedy string) { v.problem(spec.Error, message, remedy) }

// Warn records that the value is allowed but means something else than it seems to.
func (v Value) Warn(message, remedy string) { v.problem(spec.Warning, message, remedy) }

func (v Value) problem(severity spec.Severity, message, remedy string) {
	if v.doc == nil {
		return
	}
	at := v.node
	if at == nil {
		at = v.at
	}
	v.doc.add(severity, at, v.path, message, remedy)
}

// Problem returns where the value stands as a problem without a message, for what is found out later.
func (v Value) Problem() spec.Problem {
	if v.doc == nil {
		return spec.Problem{Severity: spec.Error}
	}
	at := v.node
	if at == nil {
		at = v.at
	}
	return v.doc.place(spec.Error, at, v.path)
}

// Nested reads a text as YAML of its own, such as an annotation that has fields. Its values stand where the text does.
func (v Value) Nested() Value {
	if !v.Set() {
		return v
	}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(v.Scalar()), &root); err != nil || len(root.Content) == 0 {
		v.Error("is not YAML", "write a text, or fields as {name: value}")
		return Value{}
	}
	n := root.Content[0]
	if seen := 0; v.doc.tooLarge(n, 0, &seen) {
		v.Error("has too many values", "")
		return Value{}
	}
	moved(n, v.resolved(), maxDepth)
	return Value{doc: v.doc, node: n, path: v.path}
}

// moved gives a node and those below the place of another one.
func moved(n, to *yaml.Node, depth int) {
	n.Line, n.Column = to.Line, to.Column
	for _, c := range n.Content {
		if depth > 0 {
			moved(c, to, depth-1)
		}
	}
}

// IsMap reports whether the value is a mapping.
func (v Value) IsMap() bool { return v.Set() && v.resolved().Kind == yaml.MappingNode }

// IsList reports whether the value is a list.
func (v Value) IsList() bool { return v.Set() && v.resolved().Kind == yaml.SequenceNode }

func (v Value) resolved() *yaml.Node {
	if v.node.Kind == yaml.AliasNode {
		return v.node.Alias
	}
	return v.node
}

// kind names what is there, for problems.
func (v Value) kind() string {
	n := v.resolved()
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the truth value " + n.Value
	case "!!timestamp":
		return "the date " + n.Value
	}
	return strconv.Quote(n.Value)
}

// Scalar returns any single value as it is written: a text, a number, a date.
func (v Value) Scalar() string {
	if !v.Set() {
		return ""
	}
	n := v.resolved()
	if n.Kind != yaml.ScalarNode {
		v.Error("is "+v.kind()+" where one value is expected", "")
		return ""
	}
	return v.bounded(n.Value)
}

// bounded returns a text without space around it, or a problem instead of one that nobody has written by hand.
func (v Value) bounded(text string) string {
	if len(text) > maxText {
		v.Error(fmt.Sprintf("has %d bytes, more than %d", len(text), maxText), "shorten it")
		return ""
	}
	return strings.TrimSpace(text)
}

// Text returns a text. A number or a truth value is a problem, for YAML may not keep it as it is written.
func (v Value) Text() string {
	if !v.Set() {
		return ""
	}
	n := v.resolved()
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		remedy := "write a text"
		if n.Kind == yaml.ScalarNode {
			remedy = "put it in quotes: " + strconv.Quote(n.Value)
		}
		v.Error("is "+v.kind()+" where a text is expected", remedy)
		return ""
	}
	return v.bounded(n.Value)
}

// Bool returns a truth value, or otherwise where the value is missing.
func (v Value) Bool(otherwise bool) bool {
	if !v.Set() {
		return otherwise
	}
	if n := v.resolved(); n.Kind == yaml.ScalarNode && n.Tag == "!!bool" {
		return strings.EqualFold(n.Value, "true")
	}
	v.Error("is "+v.kind()+" where true or false is expected", "write true or false, without quotes")
	return otherwise
}

// Uint returns a whole number up to limit, or otherwise where the value is missing.
func (v Value) Uint(limit, otherwise uint64) uint64 {
	if !v.Set() {
		return otherwise
	}
	if n := v.resolved(); n.Kind == yaml.ScalarNode && n.Tag == "!!int" {
		if x, err := strconv.ParseUint(n.Value, 10, 64); err == nil && x <= limit {
			return x
		}
	}
	v.Error("is "+v.kind()+" where a whole number is expected", fmt.Sprintf("write one from 0 to %d", limit))
	return otherwise
}

// Number returns a number, or 0 with a problem where it is none.
func (v Value) Number() float64 {
	if !v.Set() {
		return 0
	}
	if n := v.resolved(); n.Kind == yaml.ScalarNode && (n.Tag == "!!int" || n.Tag == "!!float") {
		var x float64
		if err := n.Decode(&x); err == nil && x-x == 0 {
			return x
		}
	}
	v.Error("is "+v.kind()+" where a number is expected", "write it without quotes and without a unit")
	return 0
}

// Texts returns a list of texts; a single text is a list of one.
func (v Value) Texts() []string {
	if !v.Set() {
		return nil
	}
	if !v.IsList() {
		if text := v.Text(); text != "" {
			return []string{text}
		}
		return nil
	}
	var list []string
	for _, item := range v.Items() {
		if text := item.Text(); text != "" {
			list = append(list, text)
		} else if item.IsEmpty() {
			item.Error("is empty", "leave it out")
		}
	}
	return list
}

// IsEmpty reports whether the value is missing, null or the empty text.
func (v Value) IsEmpty() bool {
	return !v.Set() || v.resolved().Kind == yaml.ScalarNode && strings.TrimSpace(v.resolved().Value) == ""
}

// Items returns the values of a list. Anything else is a problem.
func (v Value) Items() []Value {
	if !v.Set() {
		return nil
	}
	n := v.resolved()
	if n.Kind != yaml.SequenceNode {
		v.Error("is "+v.kind()+" where a list is expected", "begin each item with \"- \"")
		return nil
	}
	list := make([]Value, len(n.Content))
	for i, c := range n.Content {
		list[i] = Value{doc: v.doc, node: c, path: fmt.Sprintf("%s[%d]", v.path, i)}
	}
	return list
}

// Map returns the fields of a mapping. Anything else is a problem, and has no fields.
func (v Value) Map() *Map {
	m := &Map{at: v, values: map[string]Value{}}
	if !v.Set() {
		return m
	}
	n := v.resolved()
	if n.Kind != yaml.MappingNode {
		v.Error("is "+v.kind()+" where fields are expected", "write fields as \"name: value\", one a line")
		m.broken = true
		return m
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		path := strings.TrimPrefix(v.path+"."+key.Value, ".")
		if key.Kind != yaml.ScalarNode || key.Value == "" {
			v.doc.add(spec.Error, key, v.path, "a field has no name", "write \"name: value\"")
			continue
		}
		if first, twice := m.values[key.Value]; twice {
			v.doc.add(spec.Error, key, path, fmt.Sprintf("is there twice, first in line %d", v.doc.Line+first.at.Line-1), "remove one")
			continue
		}
		m.names = append(m.names, key.Value)
		m.values[key.Value] = Value{doc: v.doc, node: value, at: key, path: path}
	}
	return m
}

// A Map is a mapping. Asking for a field makes it known; [Map.Done] reports those that nobody asked for.
type Map struct {
	at     Value
	names  []string // in the order of the file
	values map[string]Value
	asked  []string
	broken bool
	hint   func(name string) string
}

// Value is the mapping itself, for problems that concern it as a whole.
func (m *Map) Value() Value { return m.at }

// Get returns a field, which may be missing.
func (m *Map) Get(name string) Value {
	m.asked = append(m.asked, name)
	if v, ok := m.values[name]; ok {
		return v
	}
	return Value{doc: m.at.doc, at: m.place(), path: strings.TrimPrefix(m.at.path+"."+name, ".")}
}

func (m *Map) place() *yaml.Node {
	if m.at.node != nil {
		return m.at.node
	}
	return m.at.at
}

// Require returns a field that has to be there; remedy says what to write if it is not.
func (m *Map) Require(name, remedy string) Value {
	v := m.Get(name)
	if v.IsEmpty() && !m.broken {
		v.Error("is missing", remedy)
	}
	return v
}

// Has reports whether a field is there, without making it known.
func (m *Map) Has(name string) bool {
	v, ok := m.values[name]
	return ok && v.Set()
}

// Names returns the names of all fields in the order of the file and makes them known.
func (m *Map) Names() []string {
	m.asked = append(m.asked, m.names...)
	return m.names
}

// Hint sets what knows of an unknown field how it is written instead, or "".
func (m *Map) Hint(hint func(name string) string) { m.hint = hint }

// Done reports fields that nobody asked for, with the known one that they may be meant for.
func (m *Map) Done() {
	for _, name := range m.names {
		if slices.Contains(m.asked, name) {
			continue
		}
		v := m.values[name]
		v.doc.add(spec.Error, v.at, v.path, "unknown field", m.suggest(name))
	}
}

func (m *Map) suggest(name string) string {
	if m.hint != nil {
		if remedy := m.hint(name); remedy != "" {
			return remedy
		}
	}
	known := slices.Clone(m.asked)
	slices.Sort(known)
	known = slices.Compact(known)
	if near := spelling.Nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "the fields here are " + strings.Join(known, ", ")
}
