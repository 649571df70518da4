package render

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/stats"
)

// QueryData is the data of the answer to a query.
type QueryData struct {
	Value parser.Value
	Stats stats.QueryStats // nil when they were not asked for
	Exact bool             // write histograms as AppendExactHistogram does
}

// Raw is data that is JSON already.
type Raw []byte

// Answer is a successful answer.
type Answer struct {
	Data            any // QueryData, Raw, []string, []labels.Labels, []exemplar.QueryResult, or what encoding/json writes
	Warnings, Infos []string
}

// flushAt is how many bytes are gathered before they are written.
const flushAt = 32 << 10

var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, flushAt+4<<10)
	return &b
}}

// Write writes an answer to w. It returns how many bytes it gave to w. When it returns an error and has written
// nothing, the data could not be made JSON; otherwise w failed.
func Write(w io.Writer, a Answer) (int, error) {
	b := buffers.Get().(*[]byte)
	out := writer{w: w, buf: (*b)[:0]}
	defer func() {
		// A label may be as long as a whole buffer. Such buffers are not kept.
		if cap(out.buf) <= 4*flushAt {
			*b = out.buf
			buffers.Put(b)
		}
	}()
	out.buf = append(out.buf, `{"status":"success","data":`...)
	if err := out.data(a.Data); err != nil {
		return out.n, err
	}
	out.list("warnings", a.Warnings)
	out.list("infos", a.Infos)
	out.buf = append(out.buf, '}')
	out.flush()
	return out.n, out.err
}

// writer gathers bytes and passes them on. After an error of w it does nothing.
type writer struct {
	w   io.Writer
	buf []byte
	n   int
	err error
}

func (w *writer) flush() {
	if w.err == nil {
		var n int
		n, w.err = w.w.Write(w.buf)
		w.n += n
	}
	w.buf = w.buf[:0]
}

// more flushes what has become long enough. It returns false when writing is of no use any more.
func (w *writer) more() bool {
	if len(w.buf) >= flushAt {
		w.flush()
	}
	return w.err == nil
}

func (w *writer) data(data any) error {
	switch d := data.(type) {
	case QueryData:
		return w.query(d)
	case Raw:
		w.buf = append(w.buf, d...)
	case []string:
		w.strings(d)
	case []labels.Labels:
		w.labelSets(d)
	case []exemplar.QueryResult:
		w.exemplars(d)
	default:
		return w.json(d)
	}
	return nil
}

func (w *writer) json(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.buf = append(w.buf, text...)
	return nil
}

func (w *writer) list(name string, items []string) {
	if len(items) == 0 {
		return
	}
	w.buf = append(w.buf, ',', '"')
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, '"', ':')
	w.strings(items)
}

func (w *writer) strings(items []string) {
	w.buf = append(w.buf, '[')
	for i, s := range items {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = AppendString(w.buf, s)
		if !w.more() {
			return
		}
	}
	w.buf = append(w.buf, ']')
}

func (w *writer) labelSets(all []labels.Labels) {
	w.buf = append(w.buf, '[')
	for i, ls := range all {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = AppendLabels(w.buf, ls)
		if !w.more() {
			return
		}
	}
	w.buf = append(w.buf, ']')
}

func (w *writer) exemplars(all []exemplar.QueryResult) {
	w.buf = append(w.buf, '[')
	for i, series := range all {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = append(w.buf, `{"seriesLabels":`...)
		w.buf = AppendLabels(w.buf, series.SeriesLabels)
		w.buf = append(w.buf, `,"exemplars":[`...)
		for i, e := range series.Exemplars {
			if i > 0 {
				w.buf = append(w.buf, ',')
			}
			w.buf = append(w.buf, `{"labels":`...)
			w.buf = AppendLabels(w.buf, e.Labels)
			w.buf = append(w.buf, `,"value":`...)
			w.buf = AppendFloat(w.buf, e.Value)
			w.buf = append(w.buf, `,"timestamp":`...)
			w.buf = AppendTimestamp(w.buf, e.Ts)
			w.buf = append(w.buf, '}')
			if !w.more() {
				return
			}
		}
		w.buf = append(w.buf, ']', '}')
	}
	w.buf = append(w.buf, ']')
}

func (w *writer) query(d QueryData) error {
	w.buf = append(w.buf, `{"resultType":"`...)
	w.buf = append(w.buf, d.Value.Type()...)
	w.buf = append(w.buf, `","result":`...)
	if err := w.value(d); err != nil {
		return err
	}
	if d.Stats != nil {
		w.buf = append(w.buf, `,"stats":`...)
		if err := w.json(d.Stats.Builtin()); err != nil {
			return err
		}
	}
	w.buf = append(w.buf, '}')
	return nil
}

func (w *writer) value(d QueryData) error {
	switch v := d.Value.(type) {
	case promql.Vector:
		return w.vector(v, d.Exact)
	case promql.Matrix:
		return w.matrix(v, d.Exact)
	case promql.Scalar:
		w.buf = append(w.buf, '[')
		w.buf = appendSeconds(w.buf, v.T)
		w.buf = append(w.buf, `,"`...)
		w.buf = strconv.AppendFloat(w.buf, v.V, 'f', -1, 64)
		w.buf = append(w.buf, `"]`...)
	case promql.String:
		w.buf = append(w.buf, '[')
		w.buf = appendSeconds(w.buf, v.T)
		w.buf = append(w.buf, ',')
		w.buf = AppendString(w.buf, v.V)
		w.buf = append(w.buf, ']')
	default:
		return fmt.Errorf("a query returned a %T", d.Value)
	}
	return nil
}

// appendSeconds appends a time as Prometheus writes it for scalars and strings, where it goes through a float.
func appendSeconds(b []byte, t int64) []byte {
	return strconv.AppendFloat(b, float64(t)/1000, 'f', -1, 64)
}

func (w *writer) vector(v promql.Vector, exact bool) (err error) {
	w.buf = append(w.buf, '[')
	for i := range v {
		s := &v[i]
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = append(w.buf, `{"metric":`...)
		w.buf = AppendLabels(w.buf, s.Metric)
		if s.H == nil {
			w.buf = append(w.buf, `,"value":`...)
			w.buf = appendPoint(w.buf, s.T, s.F)
		} else {
			w.buf = append(w.buf, `,"histogram":`...)
			if w.buf, err = appendHistogramPoint(w.buf, promql.HPoint{T: s.T, H: s.H}, exact); err != nil {
				return err
			}
		}
		w.buf = append(w.buf, '}')
		if !w.more() {
			return nil
		}
	}
	w.buf = append(w.buf, ']')
	return nil
}

func (w *writer) matrix(m promql.Matrix, exact bool) (err error) {
	w.buf = append(w.buf, '[')
	for i := range m {
		s := &m[i]
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = append(w.buf, `{"metric":`...)
		w.buf = AppendLabels(w.buf, s.Metric)
		for i, p := range s.Floats {
			w.open(i, `,"values":[`)
			w.buf = appendPoint(w.buf, p.T, p.F)
			if !w.more() {
				return nil
			}
		}
		if len(s.Floats) > 0 {
			w.buf = append(w.buf, ']')
		}
		for i, p := range s.Histograms {
			w.open(i, `,"histograms":[`)
			if w.buf, err = appendHistogramPoint(w.buf, p, exact); err != nil {
				return err
			}
			if !w.more() {
				return nil
			}
		}
		if len(s.Histograms) > 0 {
			w.buf = append(w.buf, ']')
		}
		w.buf = append(w.buf, '}')
		if !w.more() {
			return nil
		}
	}
	w.buf = append(w.buf, ']')
	return nil
}

// open appends what stands before item i of a list: how it starts, or a comma.
func (w *writer) open(i int, start string) {
	if i == 0 {
		w.buf = append(w.buf, start...)
	} else {
		w.buf = append(w.buf, ',')
	}
}

func appendPoint(b []byte, t int64, f float64) []byte {
	b = append(b, '[')
	b = AppendTimestamp(b, t)
	b = append(b, ',')
	b = AppendFloat(b, f)
	return append(b, ']')
}

func appendHistogramPoint(b []byte, p promql.HPoint, exact bool) ([]byte, error) {
	b = append(b, '[')
	b = AppendTimestamp(b, p.T)
	b = append(b, ',')
	if exact {
		var err error
		if b, err = AppendExactHistogram(b, p.T, p.H); err != nil {
			return b, fmt.Errorf("encode histogram: %w", err)
		}
	} else {
		b = AppendHistogram(b, p.H)
	}
	return append(b, ']'), nil
}
