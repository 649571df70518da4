package red

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"

	"loadline/query/promql/series"
	"loadline/query/promql/store"
)

var upMetadata = store.Metadata{Type: "gauge", Help: "1 while an instance sends telemetry, 0 for an hour after it stopped."}

func (v *Metrics) selectUp(context.Context, question, []*labels.Matcher) ([]*series.Series, error) {
	return nil, nil
}
