// Package foreign reads the definitions of Sloth and Pyrra.
package foreign

import (
	"loadline/slo/spec"
	"loadline/slo/spec/document"
)

// IsSloth reports whether a document is of Sloth.
func IsSloth(d *document.Document) bool { return false }

// Sloth reads a document.
func Sloth(d *document.Document) []spec.SLO { return nil }
