package native

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"loadline/slo/spec"
	"loadline/slo/spec/document"
)

func read(t *testing.T, text string) (spec.SLO, []spec.Problem) {
	t.Helper()
	list, problems := document.Split("slo.yaml", []byte(text))
	if len(list) != 1 || len(problems) > 0 {
		t.Fatalf("%d documents, %v", len(list), problems)
	}
	s := Read(list[0])
	return s, list[0].Problems()
}

// roundTrip reads a definition without problems, writes it as want, and reads that as the same.
func roundTrip(t *testing.T, text, want string) spec.SLO {
	t.Helper()
	s, problems := read(t, text)
	if len(problems) > 0 {
		t.Fatalf("%s\n%v", text, problems)
	}
	written, err := Write(s)
	if err != nil {
		t.Fatal(err)
	}
	if want == "" {
		want = text
	}
	if diff := cmp.Diff(want, string(written)); diff != "" {
		t.Errorf("%s", diff)
	}
	again, problems := read(t, string(written))
	if diff := cmp.Diff(s, again); diff != "" || len(problems) > 0 {
		t.Errorf("%s\n%s\n%v", written, diff, problems)
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	roundTrip(t, `slo: checkout-availability
service: checkout-api
operations: POST /v1/checkout
good: no errors and within 400ms
objective: 99.9% over 30 days
`, "")
}
