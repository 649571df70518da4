// Package document reads YAML strictly: every value knows where it stands, every problem names its place, its field and
// what to write instead, and a field that nobody asked for is a problem. All problems of a file are found at once.
package document

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"loadline/slo/spec"
)

// Bounds of what is read, so that a file of a few lines cannot keep a server busy.
const (
	MaxBytes     = 1 << 20
	MaxProblems  = 100
	maxDocuments = 10_000
	maxDepth     = 16
	maxText      = 16 << 10 // of a value
	maxValues    = 20_000   // of a document, aliases followed
)

// A Document is one document of a file. Its problems gather while it is read.
type Document struct {
	File string
	Line int    // of File at which its text begins, from 1
	Text string // without the marker
	Root Value

	problems []spec.Problem
	object   string
}

// Split reads a file as YAML documents, leaving out those that have nothing but comments. A document whose syntax is
// wrong comes back as a problem; the others are returned.
func Split(file string, text []byte) ([]*Document, []spec.Problem) {
	if len(text) > MaxBytes {
		return nil, []spec.Problem{{
			Severity: spec.Error, File: file, Message: fmt.Sprintf("the file has %d bytes, more than %d", len(text), MaxBytes),
			Remedy: "split it",
		}}
	}
	cut := parts(string(bytes.TrimPrefix(text, []byte("\uFEFF"))))
	if len(cut) > maxDocuments {
		return nil, []spec.Problem{{
			Severity: spec.Error, File: file, Message: fmt.Sprintf("the file has %d documents, more than %d", len(cut), maxDocuments),
			Remedy: "split it",
		}}
	}
	var list []*Document
	var problems []spec.Problem
	for _, part := range cut {
		d := &Document{File: file, Line: part.line, Text: part.text}
		switch ok, err := d.parse(); {
		case err != nil:
			problems = append(problems, d.syntax(err))
		case ok && len(d.problems) > 0:
			problems = append(problems, d.Problems()...)
		case ok:
			list = append(list, d)
		}
	}
	return list, problems
}

type part struct {
	line int
	text string
}

// parts cuts a file at its document markers: lines that begin with --- or ... at the first column, which YAML allows
// nowhere else.
func parts(text string) []part {
	var list []part
	first, begin, at, line := 1, 0, 0, 0 // begin and at are offsets: of the document, and of the line
	marker := ""                         // spaces for a marker in whose line the document begins
	for row := range strings.Lines(text) {
		line++
		if isMarker(row) {
			list = append(list, part{first, marker + text[begin:at]})
			first, begin, marker = line+1, at+len(row), ""
			if rest := strings.TrimSpace(row[3:]); rest != "" && rest[0] != '#' {
				first, begin, marker = line, at+3, "   "
			}
		}
		at += len(row)
	}
	return append(list, part{first, marker + text[begin:]})
}

func isMarker(line string) bool {
	if !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "...") {
		return false
	}
	return len(line) == 3 || strings.ContainsRune(" \t\r\n", rune(line[3]))
}

// parse reads the text and reports whether there is anything in it.
func (d *Document) parse() (bool, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(d.Text), &root); err != nil {
		return false, err
	}
	if len(root.Content) == 0 {
		return false, nil
	}
	d.Root = Value{doc: d, node: root.Content[0]}
	seen := 0
	if d.tooLarge(root.Content[0], 0, &seen) {
		d.Root.Error(fmt.Sprintf("more than %d values, or nested deeper than %d", maxValues, maxDepth), "split it, and use fewer aliases")
	}
	return true, nil
}

func (d *Document) tooLarge(n *yaml.Node, depth int, seen *int) bool {
	if *seen++; *seen > maxValues || depth > maxDepth {
		return true
	}
	if n.Kind == yaml.AliasNode {
		return d.tooLarge(n.Alias, depth+1, seen)
	}
	for _, c := range n.Content {
		if d.tooLarge(c, depth+1, seen) {
			return true
		}
	}
	return false
}

var syntaxLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// syntax makes a problem of what the YAML reader says.
func (d *Document) syntax(err error) spec.Problem {
	text := strings.TrimPrefix(strings.TrimSpace(err.Error()), "yaml: ")
	line := 1
	if m := syntaxLine.FindStringSubmatch(text); m[1] != "" {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	return spec.Problem{
		Severity: spec.Error, File: d.File, Line: d.Line + line - 1, Column: 1, Message: "not YAML: " + text,
		Remedy: "a text with a colon, a # or a leading [ or { stands in quotes, and indentation is made of spaces",
	}
}

// Name says which object the document is, for problems that belong to no field.
func (d *Document) Name(object string) { d.object = object }

// Problems returns what was found so far, at most MaxProblems, each once.
func (d *Document) Problems() []spec.Problem {
	var list []spec.Problem
	seen := map[spec.Problem]bool{}
	for _, p := range d.problems {
		p.Object = d.object
		key := p
		key.Field = "" // one value may be read as two fields, of an SLO and of its objectives
		if seen[key] {
			continue
		}
		seen[key] = true
		if list = append(list, p); len(list) == MaxProblems {
			break
		}
	}
	spec.SortProblems(list)
	return list
}

// Failed reports whether an error was found so far.
func (d *Document) Failed() bool { return spec.Failed(d.problems) }

func (d *Document) add(severity spec.Severity, n *yaml.Node, field, message, remedy string) {
	if len(d.problems) >= 10*MaxProblems {
		return
	}
	p := d.place(severity, n, field)
	p.Message, p.Remedy = message, remedy
	d.problems = append(d.problems, p)
}

func (d *Document) place(severity spec.Severity, n *yaml.Node, field string) spec.Problem {
	p := spec.Problem{Severity: severity, File: d.File, Field: field, Line: d.Line, Column: 1}
	if n != nil && n.Line > 0 {
		p.Line, p.Column = d.Line+n.Line-1, n.Column
	}
	return p
}
