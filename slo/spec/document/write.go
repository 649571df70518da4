package document

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Builder is a mapping to be written, its fields in the order in which they were set. What is empty is left out.
type Builder struct{ node *yaml.Node }

// NewBuilder returns a mapping without fields.
func NewBuilder() *Builder { return &Builder{&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}} }

func (b *Builder) set(name string, value *yaml.Node) {
	b.node.Content = append(b.node.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, value)
}

// Text sets a text, unless it is empty.
func (b *Builder) Text(name, text string) {
	if text != "" {
		b.set(name, textNode(text))
	}
}

func textNode(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	if oldBool(text) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// oldBool tells the words that readers of YAML 1.1 take for truth values.
func oldBool(text string) bool {
	return slices.Contains([]string{"y", "yes", "on", "n", "no", "off"}, strings.ToLower(text))
}

// Number sets a number as it is written.
func (b *Builder) Number(name, text string) {
	tag := "!!float"
	if _, err := strconv.Atoi(text); err == nil {
		tag = "!!int"
	}
	b.set(name, &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text})
}

// Bool sets a truth value.
func (b *Builder) Bool(name string, value bool) {
	b.set(name, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(value)})
}

// Texts sets a list of texts, unless it is empty; one alone is written as a text.
func (b *Builder) Texts(name string, list []string) {
	if len(list) == 1 {
		b.Text(name, list[0])
		return
	}
	b.List(name, list)
}

// List sets a list of texts, unless it is empty.
func (b *Builder) List(name string, list []string) {
	if len(list) == 0 {
		return
	}
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, text := range list {
		n.Content = append(n.Content, textNode(text))
	}
	b.set(name, n)
}

// Map sets a mapping, unless it has no fields.
func (b *Builder) Map(name string, m *Builder) {
	if len(m.node.Content) > 0 {
		b.set(name, m.node)
	}
}

// Maps sets a list of mappings, also if it is empty.
func (b *Builder) Maps(name string, list []*Builder) {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, m := range list {
		n.Content = append(n.Content, m.node)
	}
	b.set(name, n)
}

// Share moves the fields that all of the mappings have alike to b, but for those named.
func (b *Builder) Share(list []*Builder, except ...string) {
	first := list[0].node.Content
	for i := 0; i+1 < len(first); {
		name, text := first[i].Value, encode(first[i+1])
		alike := !slices.Contains(except, name)
		for _, m := range list[1:] {
			value := m.find(name)
			alike = alike && value != nil && encode(value) == text
		}
		if !alike {
			i += 2
			continue
		}
		b.set(name, first[i+1])
		for _, m := range list {
			m.remove(name)
		}
		first = list[0].node.Content
	}
}

func (b *Builder) find(name string) *yaml.Node {
	for i := 0; i+1 < len(b.node.Content); i += 2 {
		if b.node.Content[i].Value == name {
			return b.node.Content[i+1]
		}
	}
	return nil
}

func (b *Builder) remove(name string) {
	for i := 0; i+1 < len(b.node.Content); i += 2 {
		if b.node.Content[i].Value == name {
			b.node.Content = slices.Delete(b.node.Content, i, i+2)
			return
		}
	}
}

// Add appends the fields of another mapping.
func (b *Builder) Add(m *Builder) { b.node.Content = append(b.node.Content, m.node.Content...) }

// Sorted sets a mapping of texts, its names in order, unless it is empty.
func (b *Builder) Sorted(name string, texts map[string]string) {
	m := NewBuilder()
	for _, key := range sortedKeys(texts) {
		m.set(key, textNode(texts[key]))
	}
	b.Map(name, m)
}

// Labels sets a mapping of texts or lists of them, its names in order, unless it is empty.
func (b *Builder) Labels(name string, labels map[string][]string) {
	m := NewBuilder()
	for _, key := range sortedKeys(labels) {
		if values := labels[key]; len(values) == 1 {
			m.set(key, textNode(values[0]))
		} else {
			m.List(key, values)
		}
	}
	b.Map(name, m)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Single is the value of the only field: a text as it is, anything else as YAML. It is empty when there is no field.
func (b *Builder) Single() string {
	if len(b.node.Content) == 0 {
		return ""
	}
	if value := b.node.Content[1]; value.Kind != yaml.ScalarNode {
		return encode(value)
	}
	return b.node.Content[1].Value
}

// YAML is the mapping as a document.
func (b *Builder) YAML() ([]byte, error) { return write(b.node) }

func write(n *yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return out.Bytes(), nil
}

func encode(n *yaml.Node) string {
	text, err := write(n)
	if err != nil {
		panic("BUG: a node that was built cannot be written: " + err.Error())
	}
	return string(text)
}
