package openslo

import (
	"errors"

	"loadline/slo/spec"
)

// Write writes an SLO.
func Write(s spec.SLO) ([]byte, error) { return nil, errors.New("not expressible") }
