package request

import (
	"errors"
	"fmt"
	"sync"

	"loadline/ingest/wire"
)

// maxExamples is how many of the rejected items of a request its sender is told about.
const maxExamples = 3

// Checker checks requests. Its zero value is ready for use.
type Checker struct{ pool sync.Pool } // of *check

// Check counts the items of a request - samples, histograms, exemplars and the descriptions that stand by themselves - by
// what the builder of the tables will do with them. An error means that the bytes are not a request of the version. Check
// may be called concurrently.
func (c *Checker) Check(version Version, body []byte, window wire.Window) (wire.Tally, error) {
	k, ok := c.pool.Get().(*check)
	if !ok {
		k = new(check)
		k.items = Items{k.sample, k.histogramItem, k.exemplarItem}
	}
	defer c.pool.Put(k)
	k.tally, k.window, k.reader.Version = wire.Tally{}, window, version
	err := k.reader.Walk(body, k.visit, k.metadata)
	k.reader.forget()
	clear(k.labels[:cap(k.labels)])
	k.series, k.exemplar = nil, Exemplar{}
	return k.tally, err
}

// check is a request that is being checked.
type check struct {
	reader    Reader
	items     Items
	labels    []Label
	histogram Histogram
	exemplar  Exemplar

	tally  wire.Tally
	window wire.Window
	series *Series
	bad    error // why nothing of the series can be stored
	empty  bool
	told   bool // there is an example of the series
}

func (k *check) visit(s *Series) (err error) {
	k.series, k.empty, k.told, k.bad = s, true, false, nil
	if k.labels, _, err = s.Labels(k.labels); err != nil {
		if k.bad = err; !isInvalid(err) {
			return err
		}
	}
	if err := s.Items(&k.items); err != nil {
		return err
	}
	if k.empty && s.version == V2 {
		k.reject(&Invalid{wire.NoValue, "neither samples nor histograms nor exemplars"})
	}
	return nil
}

func isInvalid(err error) bool {
	var invalid *Invalid
	return errors.As(err, &invalid)
}

// metadata counts a description that stands by itself. One without a name describes nothing.
func (k *check) metadata(m *Metadata) error {
	k.series, k.told = nil, false
	if len(m.Name) == 0 {
		k.reject(&Invalid{wire.BadName, "metadata without a name"})
		return nil
	}
	k.tally.Count(wire.Accepted)
	return nil
}

func (k *check) sample(s Sample) error {
	if k.item(s.Time, nil) {
		k.tally.Samples++
	}
	return nil
}

func (k *check) histogramItem(message []byte) error {
	err := k.histogram.Decode(message)
	if err != nil && !isInvalid(err) {
		return err
	}
	if k.item(k.histogram.Time, err) {
		k.tally.Histograms++
	}
	return nil
}

func (k *check) exemplarItem(message []byte) error {
	err := k.exemplar.Decode(k.series, message)
	if err != nil && !isInvalid(err) {
		return err
	}
	if k.item(k.exemplar.Time, err) {
		k.tally.Exemplars++
	}
	return nil
}

// item counts an item with a time in Unix milliseconds and what is wrong with it, and reports whether it will be stored.
func (k *check) item(ms int64, err error) bool {
	k.empty = false
	if k.bad != nil {
		err = k.bad
	}
	if err == nil {
		if reason := CheckTime(k.window, ms); reason != wire.Accepted {
			err = &Invalid{reason, fmt.Sprintf("the time %d", ms)}
		}
	}
	if err != nil {
		k.reject(err)
		return false
	}
	k.tally.Count(wire.Accepted)
	return true
}

func (k *check) reject(err error) {
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		panic("BUG: rejected for " + err.Error())
	}
	k.tally.Count(invalid.Reason)
	if !k.told && len(k.tally.Examples) < maxExamples {
		k.told = k.series != nil
		text := invalid.Detail
		if k.series != nil {
			text = fmt.Sprintf("series %s: %s", k.series.Text(), invalid.Detail)
		}
		k.tally.Examples = append(k.tally.Examples, text)
	}
}
