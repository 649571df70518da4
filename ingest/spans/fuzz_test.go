package spans

import (
	"encoding/json"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"loadline/ingest/wire"
)

// FuzzCheckTraces looks for bytes that make the decoder panic, or on which Check and Add disagree.
func FuzzCheckTraces(f *testing.F) {
	all := newFixture("s")
	all.scope.Scope().Attributes().PutBool("b", true)
	s := all.span("GET")
	s.SetKind(ptrace.SpanKindServer)
	s.TraceState().FromRaw("ot=th:c")
	s.Attributes().PutStr("http.route", "/")
	nest(s.Attributes().PutEmpty("deep"), 3)
	e := s.Events().AppendEmpty()
	e.SetName("exception")
	e.Attributes().PutStr("exception.type", "x")
	s.Links().AppendEmpty().SetTraceID(pcommon.TraceID{1})
	body := all.body(f)
	f.Add(body)
	for _, n := range []int{0, 1, len(body) / 3, len(body) / 2, len(body) - 1} {
		f.Add(body[:n])
	}
	wide := wire.NewWindow(now, 50*365*24*time.Hour)
	f.Fuzz(func(t *testing.T, body []byte) {
		tally, err := Check(body, wide)
		if err != nil {
			return
		}
		resources := wire.NewResources()
		b := NewBuilder(resources)
		if err := b.Add(body, wide); err != nil {
			t.Fatalf("Check passed, Add did not: %v", err)
		}
		if b.Rows() != tally.Items[wire.Accepted] {
			t.Fatalf("Check accepted %d spans, Add collected %d", tally.Items[wire.Accepted], b.Rows())
		}
		for _, row := range rows(t, b) {
			for _, column := range []string{"extra", "events", "links"} {
				if text := row[column].(string); text != "" && !json.Valid([]byte(text)) {
					t.Errorf("%s %q is not JSON", column, text)
				}
			}
		}
		index, red := b.Derived()
		decode(t, index, nil)
		decode(t, red, nil)
		stored, deployments := resources.Flush()
		decode(t, stored, nil)
		decode(t, deployments, nil)
	})
}
