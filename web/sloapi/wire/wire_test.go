package wire

import (
	"encoding/json"
	"math"
	"testing"
)

func TestNumber(t *testing.T) {
	f := func(v float64, want string) {
		t.Helper()
		text, err := json.Marshal(Number(v))
		if err != nil || string(text) != want {
			t.Errorf("%v: %s, %v; want %s", v, text, err, want)
		}
		var back Number
		if err := json.Unmarshal(text, &back); err != nil {
			t.Error(err)
		}
		if want == "null" {
			v = math.NaN()
		}
		if got := float64(back); got != v && !(math.IsNaN(got) && math.IsNaN(v)) {
			t.Errorf("%s is read as %v", text, got)
		}
	}
	f(0.1, "0.1")
	f(-1e21, "-1e+21")
	f(math.NaN(), "null")
	f(math.Inf(1), "null")
	f(math.Inf(-1), "null")
	var n Number
	if err := json.Unmarshal([]byte(`"x"`), &n); err == nil {
		t.Error("text is a number")
	}
}
