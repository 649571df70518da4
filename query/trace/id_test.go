package trace

import "testing"

func TestParseIDs(t *testing.T) {
	id, err := ParseID("0AF7651916CD43DD8448EB211C80319C")
	if err != nil || id.String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("%v, %v", id, err)
	}
	if id, err = ParseID("abc"); err != nil || id.String() != "00000000000000000000000000000abc" || id.IsZero() {
		t.Errorf("%v, %v", id, err)
	}
	for _, bad := range []string{"", "xyz", "0af7651916cd43dd8448eb211c80319c0"} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("trace id %q: no error", bad)
		}
	}
	if span, err := ParseSpanID("1"); err != nil || span != (SpanID{7: 1}) {
		t.Errorf("%v, %v", span, err)
	}
}
