// Package definition reads files of definitions in whichever format they are, and writes them.
package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"loadline/slo/spec"
	"loadline/slo/spec/document"
	"loadline/slo/spec/foreign"
	"loadline/slo/spec/native"
	"loadline/slo/spec/openslo"
	"loadline/slo/spec/openslo/export"
	"loadline/slo/spec/rules"
)

// Format is a way to write a definition down.
type Format string

// The formats. All but Rules are read; Native, OpenSLO and Rules are written.
const (
	Native  Format = "native"
	OpenSLO Format = "openslo"
	Rules   Format = "prometheus" // recording and alerting rules for a Prometheus
)

// Object is one object of a file: an SLO, or another of the kinds of OpenSLO that SLOs refer to. Kind and Name together
// are unique in an installation, whatever the format. Definitions of Sloth and Pyrra become objects in the native form
// when they are read, one for each of their SLOs.
type Object struct {
	Kind   string // SLO, SLI, Service, DataSource, AlertPolicy, AlertCondition or AlertNotificationTarget
	Name   string
	Format Format // of Text: Native or OpenSLO
	File   string
	Line   int    // of File at which Text begins, from 1
	Text   string // YAML that [Parse] reads as this one object again

	slo    *spec.SLO       // of Native
	object *openslo.Object // of OpenSLO
}

// Parse reads a file of any number of YAML documents of any format. It returns what could be read and all problems of
// the file, which carry its name; an object with an error is not returned. What needs other objects is left to
// [Resolve].
func Parse(file string, text []byte) ([]Object, []spec.Problem) {
	documents, problems := document.Split(file, text)
	var objects []Object
	for _, d := range documents {
		read := parse(d)
		problems = append(problems, d.Problems()...)
		if !d.Failed() {
			objects = append(objects, read...)
		}
	}
	spec.SortProblems(problems)
	if len(problems) > document.MaxProblems {
		problems = problems[:document.MaxProblems]
	}
	return objects, problems
}

// maxObject bounds the text of an object, of which every revision is kept, shown and compared.
const maxObject = 64 << 10

func parse(d *document.Document) []Object {
	base := Object{File: d.File, Line: d.Line, Text: strings.TrimRight(d.Text, " \t\r\n") + "\n"}
	switch {
	case (native.Is(d) || openslo.Is(d)) && long(d, base.Text):
		return nil
	case native.Is(d):
		s := native.Read(d)
		base.Kind, base.Name, base.Format, base.slo = "SLO", s.Name, Native, &s
		return []Object{base}
	case openslo.Is(d):
		o := openslo.Read(d)
		base.Kind, base.Name, base.Format, base.object = o.Kind, o.Name, OpenSLO, o
		return []Object{base}
	case foreign.IsSloth(d):
		return translated(d, base, foreign.Sloth(d))
	case foreign.IsPyrra(d):
		return translated(d, base, foreign.Pyrra(d))
	}
	d.Root.Error("is no definition of an SLO", `begin with "slo: NAME", or with apiVersion: openslo/v1; files of Sloth and Pyrra are read too`)
	return nil
}

// long reports a text of an object that is too long.
func long(d *document.Document, text string) bool {
	if len(text) <= maxObject {
		return false
	}
	d.Root.Error(fmt.Sprintf("the definition has %d bytes, more than %d", len(text), maxObject), "shorten its comments, or make several objects of it")
	return true
}

// translated makes objects in the native form of SLOs that are written in another.
func translated(d *document.Document, base Object, list []spec.SLO) []Object {
	if d.Failed() {
		return nil
	}
	var objects []Object
	for _, s := range list {
		text, err := native.Write(s)
		if err != nil {
			d.Root.Error(fmt.Sprintf("SLO %q: %v", s.Name, err), "")
			continue
		}
		if long(d, string(text)) {
			continue
		}
		base.Kind, base.Name, base.Format, base.slo, base.Text = "SLO", s.Name, Native, &s, string(text)
		objects = append(objects, base)
	}
	return objects
}

// Resolve turns the objects of an installation into SLOs, sorted by name. Problems are of references: objects that do
// not exist, exist twice, or refer to what they cannot; an SLO with an error is left out, and the others are returned.
// Resolving objects that [Parse] returned costs next to nothing.
func Resolve(objects []Object) ([]spec.SLO, []spec.Problem) { return resolve(objects, nil) }

func resolve(objects []Object, known []spec.SLO) ([]spec.SLO, []spec.Problem) {
	var problems []spec.Problem
	var list []located
	var open []*openslo.Object
	seen := map[[2]string]Object{}
	for _, o := range objects {
		if o.slo == nil && o.object == nil {
			read, found := Parse(o.File, []byte(o.Text))
			if len(read) != 1 {
				problems = append(problems, found...)
				continue
			}
			o.slo, o.object = read[0].slo, read[0].object
		}
		key := [2]string{o.Kind, o.Name}
		if first, twice := seen[key]; twice {
			problems = append(problems, o.problem(
				fmt.Sprintf("%s %q is there twice, first in %s", o.Kind, o.Name, first.place()), "rename or remove one",
			))
			continue
		}
		seen[key] = o
		if o.slo != nil {
			list = append(list, located{slo: *o.slo, object: o})
		} else {
			open = append(open, o.object)
		}
	}
	resolved, more := openslo.Resolve(open)
	problems = append(problems, more...)
	for _, s := range resolved {
		list = append(list, located{slo: s, object: seen[[2]string{"SLO", s.Name}]})
	}
	for _, s := range known {
		if _, replaced := seen[[2]string{"SLO", s.Name}]; !replaced {
			list = append(list, located{slo: s, known: true})
		}
	}
	slices.SortFunc(list, func(a, b located) int { return cmp.Compare(a.slo.Name, b.slo.Name) })
	slos, more := resolveComposites(list)
	problems = append(problems, more...)
	spec.SortProblems(problems)
	return slos, problems
}

// located is an SLO with the object that defines it.
type located struct {
	slo    spec.SLO
	object Object
	known  bool // from elsewhere: others may be made of it, but it is not asked for
}

func (o *Object) place() string {
	if o.File == "" {
		return fmt.Sprintf("line %d", o.Line)
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

func (o *Object) problem(message, remedy string) spec.Problem {
	return spec.Problem{
		Severity: spec.Error, File: o.File, Line: o.Line, Column: 1, Object: fmt.Sprintf("%s %q", o.Kind, o.Name),
		Message: message, Remedy: remedy,
	}
}

// Read is [Parse] and [Resolve] for text that stands for itself, such as what a form sends. What it defines may be made of
// the SLOs that are known already; those are not returned.
func Read(file string, text []byte, known ...spec.SLO) ([]spec.SLO, []spec.Problem) {
	objects, problems := Parse(file, text)
	if spec.Failed(problems) {
		return nil, problems
	}
	slos, more := resolve(objects, known)
	problems = append(problems, more...)
	spec.SortProblems(problems)
	return slos, problems
}

// Export writes an SLO in a format. Native and OpenSLO read back as the same SLO; OpenSLO fails where its objectives
// differ in what OpenSLO says once for all of them, Rules where Prometheus cannot count what the SLO counts.
func Export(s spec.SLO, format Format) ([]byte, error) {
	switch format {
	case Native:
		return native.Write(s)
	case OpenSLO:
		return export.Write(s)
	case Rules:
		return rules.Write(s)
	}
	return nil, fmt.Errorf("format %q is unknown: use native, openslo or prometheus", format)
}
