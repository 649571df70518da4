package promql

import (
	_ "github.com/json-iterator/go"
	_ "github.com/prometheus/common/model"
	_ "github.com/prometheus/prometheus/prompb"
	_ "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	_ "github.com/prometheus/prometheus/promql"
	_ "github.com/prometheus/prometheus/promql/parser"
	_ "github.com/prometheus/prometheus/schema"
	_ "github.com/prometheus/prometheus/storage"
	_ "github.com/prometheus/prometheus/tsdb/chunkenc"
	_ "github.com/prometheus/prometheus/util/annotations"
	_ "github.com/prometheus/prometheus/util/jsonutil"
	_ "github.com/prometheus/prometheus/util/stats"
)
