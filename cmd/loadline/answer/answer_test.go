package answer

import (
	"strings"
	"testing"
	"time"
)

func TestSparkline(t *testing.T) {
	from := time.Unix(0, 0)
	var points []Point
	for i := range 1000 {
		if i < 200 || i > 400 {
			points = append(points, Point{at: from.Add(time.Duration(i) * time.Second), value: float64(i)})
		}
	}
	g := gridOf([]Series{{Values: points}})
	got := g.sparkline(points)
	if want := "▁▁▁▁▁▂▂▂▂▂▂▂▂           ▄▄▄▄▄▄▅▅▅▅▅▅▅▅▅▆▆▆▆▆▆▆▆▆▇▇▇▇▇▇▇▇█████"; got != want {
		t.Errorf("\n%q, want\n%q", got, want)
	}
}

func TestReadRefusesOtherPrograms(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		_, err := Read(strings.NewReader(body), "http://x", 200)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", body, err)
		}
	}
	f("<html>", "nothing of a PromQL API")
	f("{}", "nothing of a PromQL API")
	f(`{"status":"error"}`, "nothing of a PromQL API")
}
