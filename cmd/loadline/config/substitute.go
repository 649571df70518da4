package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// substitute replaces ${NAME}, ${env:NAME}, ${NAME:-default} and ${file:PATH} in a value of the file, and $$ by a
// dollar sign. It does so once: a replacement is not looked at again, so a password may contain dollar signs. The
// content of a file loses its trailing newline.
func substitute(text string, lookup func(string) (string, bool)) (string, error) {
	var out strings.Builder
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 || i == len(text)-1 {
			out.WriteString(text)
			return out.String(), nil
		}
		out.WriteString(text[:i])
		switch text[i+1] {
		case '$':
			out.WriteByte('$')
			text = text[i+2:]
		case '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return "", errors.New("want a closing brace after ${; a dollar sign itself is written $$")
			}
			replacement, err := resolve(text[i+2:i+end], lookup)
			if err != nil {
				return "", err
			}
			out.WriteString(replacement)
			text = text[i+end+1:]
		default:
			out.WriteByte('$')
			text = text[i+1:]
		}
	}
}

// resolve returns what stands for the inside of one ${…}.
func resolve(reference string, lookup func(string) (string, bool)) (string, error) {
	if path, ok := strings.CutPrefix(reference, "file:"); ok {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("value from a file: %w", err)
		}
		return strings.TrimRight(string(content), "\r\n"), nil
	}
	name, fallback, hasFallback := strings.Cut(strings.TrimPrefix(reference, "env:"), ":-")
	if name == "" || strings.ContainsAny(name, ": ") {
		return "", fmt.Errorf("want ${NAME}, ${NAME:-default}, ${env:NAME} or ${file:PATH}, not ${%s}", reference)
	}
	if v, ok := lookup(name); ok && (v != "" || !hasFallback) {
		return v, nil
	}
	if hasFallback {
		return fallback, nil
	}
	return "", fmt.Errorf("environment variable %q is not set; set it, or give a default with ${%s:-default}", name, name)
}
