// Package openslo reads and writes OpenSLO v1 (https://github.com/OpenSLO/OpenSLO).
package openslo

import (
	"errors"

	"loadline/slo/spec"
	"loadline/slo/spec/document"
)

// Object is an object of any kind.
type Object struct {
	Kind, Name string
}

// Is reports whether a document is of OpenSLO.
func Is(d *document.Document) bool { return false }

// Read reads a document.
func Read(d *document.Document) *Object { return &Object{} }

// Resolve turns SLOs into the model.
func Resolve(objects []*Object) ([]spec.SLO, []spec.Problem) { return nil, nil }

// Write writes an SLO.
func Write(s spec.SLO) ([]byte, error) { return nil, errors.New("not expressible") }
