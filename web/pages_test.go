package web

import (
	"testing"
)

func TestPages(t *testing.T) {
	f := newFixture(t, true)
	for _, path := range []string{"/", "/services", "/services/checkout-api", "/services/checkout-api?tab=endpoints", "/services/checkout-api?tab=errors", "/services/checkout-api?tab=dependencies", "/services/checkout-api?tab=instances", "/services/checkout-api?tab=deployments", "/traces", "/welcome", "/settings"} {
		body := f.page(t, path)
		t.Log(path, len(body))
	}
}
