// Package definition reads files of definitions in whichever format they are, and writes them.
package definition

import "loadline/slo/spec"

// Format is a way to write a definition down.
type Format string

// The formats. All are read; Native, OpenSLO and Rules are written.
const (
	Native  Format = "native"
	OpenSLO Format = "openslo"
	Sloth   Format = "sloth"
	Pyrra   Format = "pyrra"
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
	Line   int    // of File at which the object begins, from 1
	Text   string // YAML that [Parse] reads as this one object again
}

// Parse reads a file of any number of YAML documents of any format. It returns what could be read and all problems of
// the file, which carry its name; an object with an error is not returned. What needs other objects is left to
// [Resolve].
func Parse(file string, text []byte) ([]Object, []spec.Problem) { return nil, nil }

// Resolve turns the objects of an installation into SLOs, sorted by name. Problems are of references: objects that do
// not exist, exist twice, or go round in circles; an SLO with an error is left out, and the others are returned.
// Resolving objects that [Parse] returned costs next to nothing.
func Resolve(objects []Object) ([]spec.SLO, []spec.Problem) { return nil, nil }

// Read is [Parse] and [Resolve] for text that stands for itself, such as what a form sends.
func Read(file string, text []byte) ([]spec.SLO, []spec.Problem) {
	objects, problems := Parse(file, text)
	if spec.Failed(problems) {
		return nil, problems
	}
	slos, more := Resolve(objects)
	return slos, append(problems, more...)
}

// Export writes an SLO in a format. Native and OpenSLO read back as the same SLO; Rules fails where Prometheus cannot
// count what the SLO counts.
func Export(s spec.SLO, format Format) ([]byte, error) { return nil, nil }
