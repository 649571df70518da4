package sql

import (
	"testing"
	"time"
)

func TestWhere(t *testing.T) {
	w := &Where{}
	if w.String() != "1" {
		t.Errorf("no conditions: %s", w)
	}
	w.Add("service = " + w.Text("web'; --"))
	w.SliceRange(time.Unix(10, 0), time.Unix(20, 0))
	w.Add("trace_id = " + w.Hex("00ff", 2))
	want := `service = {p0:String}
  AND slice >= toDateTime({p1:UInt32}, 'UTC')
  AND slice < toDateTime({p2:UInt32}, 'UTC')
  AND trace_id = toFixedString(unhex({p3:String}), 2)`
	if w.String() != want || len(w.Args) != 4 {
		t.Errorf("%s with %v", w, w.Args)
	}
}
