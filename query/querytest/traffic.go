package querytest

import (
	"fmt"
	"time"
)

// Shop is 60 s of two services: every second a request to web (100 ms, every tenth fails with 503) that calls
// shop (40 ms).
func Shop() []Span {
	var spans []Span
	for i := range 60 {
		at := time.Duration(i) * time.Second
		status := 200
		if i%10 == 9 {
			status = 503
		}
		spans = append(spans,
			Span{At: at, Trace: i + 1, Span: 1, Service: "web", Operation: "GET /cart", Duration: time.Duration(100+i) * time.Millisecond, HTTP: status, Version: "1.0", Resource: 1},
			Span{At: at + time.Millisecond, Trace: i + 1, Span: 2, Parent: 1, Service: "web", Operation: "GET", Kind: "client", Duration: 50 * time.Millisecond, Resource: 1},
			Span{At: at + 2*time.Millisecond, Trace: i + 1, Span: 3, Parent: 2, Service: "shop", Operation: "GET /items", Duration: 40 * time.Millisecond, HTTP: 200, Version: "2.1", Resource: 2},
		)
	}
	return append(spans, Span{At: 30 * time.Second, Trace: 1000, Span: 9, Parent: 8, Service: "cron", Operation: "tick", Kind: "internal", Duration: time.Second})
}

// Carts is 300 traces, one a second: a root of web with a server span of shop below it. Every 50th fails, every
// 100th is slow.
func Carts() []Span {
	var spans []Span
	for i := range 300 {
		at := time.Duration(i) * time.Second
		root := Span{
			At: at, Trace: i + 1, Span: 1, Service: "web", Operation: "GET /cart", Duration: 100 * time.Millisecond, HTTP: 200, Version: "1.0", Resource: uint64(i%2 + 1),
			Attributes: Attributes{{"user.id", fmt.Sprint(i % 7)}, {"http.method", "GET"}},
		}
		if i%50 == 49 {
			root.HTTP = 500
		}
		if i%100 == 50 {
			root.Duration = 3 * time.Second
		}
		spans = append(spans, root,
			Span{At: at + 10*time.Millisecond, Trace: i + 1, Span: 2, Parent: 1, Service: "shop", Operation: "GET /items", Duration: 60 * time.Millisecond, HTTP: 200, Attributes: Attributes{{"http.request.method", "POST"}}},
			Span{At: at + 20*time.Millisecond, Trace: i + 1, Span: 3, Parent: 2, Service: "shop", Operation: "SELECT items", Kind: "client", Duration: 20 * time.Millisecond, Peer: "postgresql:shop", PeerType: "database"})
	}
	return spans
}
