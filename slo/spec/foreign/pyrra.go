package foreign

import (
	"loadline/slo/spec"
	"loadline/slo/spec/document"
)

// IsPyrra reports whether a document is of Pyrra.
func IsPyrra(d *document.Document) bool { return false }

// Pyrra reads a document.
func Pyrra(d *document.Document) []spec.SLO { return nil }
