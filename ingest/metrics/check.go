// Package metrics turns OTLP metric requests, and those of Prometheus remote write, into the blocks of the tables series,
// samples, histograms, exemplars and metadata. What follows is about OTLP; of the other see Remote.
//
// Names and labels are stored in Prometheus' spelling, by the rules of otlptranslator; metadata keeps the names and
// units of OpenTelemetry. Of a resource only job and instance become labels: the rest is in the table resources.
//
// A number becomes a sample as it came, whatever its temporality: a delta series has a kind of its own and is added up
// when it is read. A histogram becomes one row. One with explicit bounds has schema -53 and its bounds in the series
// row, where they are part of the series id: a sender that changes its bounds starts another series with the same
// labels. So does one that changes its temporality.
//
// Check and Builder.Add read the same bytes by the same rules: Check runs before the acknowledgement and counts what
// will be rejected, Add runs when a log segment becomes a block, live or in replay.
package metrics

import (
	"errors"

	"loadline/ingest/points"
	"loadline/ingest/wire"
)

// Check counts the data points of a request by what Builder.Add will do with them. An error means that the bytes are
// not an ExportMetricsServiceRequest. Check may be called concurrently.
func Check(body []byte, window wire.Window) (wire.Tally, error) {
	var c checker
	err := wire.Walk(body, wire.Visitor{
		Resource: func(resource, _ []byte) error {
			err := wire.CheckResource(resource)
			c.resourceTooDeep = errors.Is(err, wire.ErrTooDeep)
			if c.resourceTooDeep {
				return nil
			}
			return err
		},
		Scope: func(scope, _ []byte) error { return wire.CheckScope(scope) },
		Item: func(item []byte) error {
			if err := c.metric.Decode(item); err != nil {
				return err
			}
			reason := c.metric.Check()
			if c.resourceTooDeep {
				reason = wire.TooDeep
			}
			return wire.EachMessage(c.metric.Data, 1, func(message []byte) error {
				if reason != wire.Accepted {
					c.tally.Count(reason)
					return nil
				}
				return c.check(message, window)
			})
		},
	})
	return c.tally, err
}

type checker struct {
	tally           wire.Tally
	resourceTooDeep bool
	metric          points.Metric
	point           points.Point
	attributes      []wire.Attribute
}

// check counts one data point of c.metric.
func (c *checker) check(message []byte, window wire.Window) error {
	p := &c.point
	if err := p.Decode(c.metric.Shape, message, nil); err != nil {
		return err
	}
	truncated := 0
	tooDeep := false
	for _, message := range p.Attributes {
		a, err := wire.DecodeAttribute(message)
		if errors.Is(err, wire.ErrTooDeep) {
			tooDeep = true
		} else if err != nil {
			return err
		}
		if a.Value.IsTruncated() {
			truncated++
		}
	}
	if err := c.checkParts(p); err != nil {
		return err
	}
	reason, err := p.Check(c.metric.Shape, window)
	if err != nil {
		return err
	}
	if reason == wire.Accepted && tooDeep {
		reason = wire.TooDeep
	}
	if reason == wire.Accepted {
		c.tally.Truncated += truncated
	}
	c.tally.Count(reason)
	return nil
}

// checkParts checks the exemplars and quantiles, which are read again only when they are stored.
func (c *checker) checkParts(p *points.Point) (err error) {
	var e points.Exemplar
	for _, message := range p.Exemplars {
		if err := e.Decode(message); err != nil {
			return err
		}
		c.attributes, err = wire.Attributes(c.attributes[:0], message, 7)
		if err != nil && !errors.Is(err, wire.ErrTooDeep) {
			return err
		}
	}
	for _, message := range p.Quantiles {
		if _, _, err := points.Quantile(message); err != nil {
			return err
		}
	}
	return nil
}
