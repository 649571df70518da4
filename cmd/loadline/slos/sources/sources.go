// Package sources reads files with definitions of SLOs as one text, and tells where in the files a line of it is.
package sources

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"loadline/slo/spec"
)

// Files are files with definitions that are sent as one text, so that they are applied together or not at all.
type Files struct {
	text  strings.Builder
	lines int // in text
	parts []part
}

// part is where a file begins in the text of all.
type part struct {
	file  string
	first int // line of the text that is line 1 of the file
}

// maxFile bounds a file with definitions.
const maxFile = 1 << 20

// Read reads files, directories of .yaml and .yml files, and - for stdin.
func Read(stdin io.Reader, names []string) (*Files, error) {
	s := &Files{}
	for _, name := range names {
		if name == "-" {
			text, err := io.ReadAll(io.LimitReader(stdin, maxFile+1))
			if err != nil {
				return nil, fmt.Errorf("read definitions from stdin: %w", err)
			}
			if err := s.add("-", text); err != nil {
				return nil, err
			}
			continue
		}
		if err := s.walk(name); err != nil {
			return nil, err
		}
	}
	if len(s.parts) == 0 {
		return nil, errors.New("there are no definitions: name a .yaml file, a directory of them, or - for stdin")
	}
	return s, nil
}

// walk adds a file, or the YAML files below a directory in the order of their names.
func (s *Files) walk(name string) error {
	return filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read definitions: %w", err)
		}
		if d.IsDir() {
			if path != name && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if path != name && !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path)) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read definitions: %w", err)
		}
		return s.add(path, text)
	})
}

func (s *Files) add(file string, text []byte) error {
	if len(text) > maxFile {
		return fmt.Errorf("%s is longer than %d bytes: apply definitions in parts", file, maxFile)
	}
	if len(s.parts) > 0 {
		s.write("---\n")
	}
	s.parts = append(s.parts, part{file, s.lines + 1})
	body := strings.TrimPrefix(string(text), "\uFEFF")
	if body != "" && !strings.HasSuffix(body, "\n") {
		body += "\n"
	}
	s.write(body)
	return nil
}

func (s *Files) write(text string) {
	s.text.WriteString(text)
	s.lines += strings.Count(text, "\n")
}

// String is the text.
func (s *Files) String() string { return s.text.String() }

// Place says of problems of the text in which file they are. No files leave them as they are.
func (s *Files) Place(list []spec.Problem) []spec.Problem {
	if s == nil {
		return list
	}
	out := slices.Clone(list)
	for i := range out {
		p := &out[i]
		if p.Line == 0 {
			continue
		}
		for _, part := range s.parts {
			if part.first <= list[i].Line {
				p.File, p.Line = part.file, list[i].Line-part.first+1
			}
		}
	}
	return out
}
