package spans

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"loadline/ingest/wire"
)

// A view reads back what the table is given; attributes are those that are stored.
func TestView(t *testing.T) {
	b := NewBuilder(wire.NewResources())
	for range 2 { // the second time with the memory of the first
		b.Reset()
		root := newFixture("checkout")
		root.resource.Resource().Attributes().PutStr("host.name", "a1")
		s := root.span("GET")
		s.Attributes().PutStr("user.id", "7")
		s.Attributes().PutInt("http.response.status_code", 503)
		add(t, b, root.body(t))
		child := newFixture("payment")
		s = child.span("pay")
		s.SetParentSpanID(pcommon.SpanID{9})
		s.TraceState().FromRaw("ot=th:8")
		add(t, b, child.body(t))

		v := b.View()
		if v.Rows() != 2 || !v.Root(0) || v.Root(1) || v.Weight[1] != 2 || v.HTTPStatus[0] != 503 || v.Duration[0] != 250e6 {
			t.Errorf("%+v", v)
		}
		if got := v.Service.Value(v.Service.Indexes[1]); got != "payment" {
			t.Errorf("service %q", got)
		}
		f := func(row int, name string, ofResource bool, want string, wantOK bool) {
			t.Helper()
			if got, ok := v.Attribute(row, name, ofResource); got != want || ok != wantOK {
				t.Errorf("attribute %q of span %d: %q, %v", name, row, got, ok)
			}
		}
		f(0, "user.id", false, "7", true)
		f(0, "http.response.status_code", false, "503", true)
		f(0, "host.name", false, "", false)
		f(0, "host.name", true, "a1", true)
		f(0, "user.id", true, "", false)
		f(1, "user.id", false, "", false)
		f(1, "host.name", true, "", false)
		f(1, "service.name", true, "payment", true)
	}
}
