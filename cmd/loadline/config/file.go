package config

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// entry is one scalar of the file with its dotted key.
type entry struct {
	key  string
	text string
	line int
}

// parseFile flattens a YAML file into entries. It accepts only mappings of scalars, and it refuses keys that occur
// twice, because the loser would be ignored silently.
func parseFile(name string, r io.Reader) ([]entry, error) {
	var doc yaml.Node
	dec := yaml.NewDecoder(r)
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		// The reader says "yaml: line 3: ...", counts from 0 or from 1 depending on the error, and leaves the first out.
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		if !strings.HasPrefix(text, "line ") {
			text = "line 1: " + text
		}
		return nil, fmt.Errorf("%s: near %s", name, text)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: want one YAML document, not several", name)
	}
	var entries []entry
	if err := flatten(doc.Content[0], "", &entries); err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	seen := map[string]int{}
	for _, e := range entries {
		if line, twice := seen[e.key]; twice {
			return nil, fmt.Errorf("%s:%d: key %q stands on line %d already", name, e.line, e.key, line)
		}
		seen[e.key] = e.line
	}
	return entries, nil
}

// flatten appends the scalars below n. Its errors start with the line, to be put behind the file's name.
func flatten(n *yaml.Node, prefix string, out *[]entry) error {
	switch n.Kind {
	case yaml.ScalarNode:
		if prefix == "" {
			return fmt.Errorf("%d: want keys with values, such as 'http: {addr: 127.0.0.1:8080}', not %q", n.Line, n.Value)
		}
		text := n.Value
		if n.Tag == "!!null" {
			text = ""
		}
		*out = append(*out, entry{key: prefix, text: text, line: n.Line})
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, below := n.Content[i], n.Content[i+1]
			key := name.Value
			if prefix != "" {
				key = prefix + "." + key
			}
			if below.Kind == yaml.ScalarNode && below.Tag == "!!null" && isSection(key) {
				continue // "otlp:" with everything below it commented out
			}
			if err := checkKey(key); err != nil {
				return fmt.Errorf("%d: %w", name.Line, err)
			}
			if err := flatten(below, key, out); err != nil {
				return err
			}
		}
	case yaml.AliasNode:
		return fmt.Errorf("%d: %s: want the value itself, not an alias", n.Line, prefix)
	default:
		if prefix == "" {
			return fmt.Errorf("%d: want keys with values, such as 'http: {addr: 127.0.0.1:8080}', not a list", n.Line)
		}
		return fmt.Errorf("%d: %s: want a single value, not a list", n.Line, prefix)
	}
	return nil
}
