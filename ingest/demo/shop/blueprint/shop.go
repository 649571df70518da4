// Package blueprint describes the demo's shop: its services with their endpoints and what each endpoint does, what
// the services are written in, and when they are released and break. It is data; package shop brings it to life.
package blueprint

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Op is what a step of a request does.
type Op int

// The operations.
const (
	Work     Op = iota // own code
	Cache              // a key of redis; the inner steps run after a miss
	SQL                // a statement of postgres
	Search             // a query of opensearch
	Call               // another service
	Publish            // a message to kafka
	External           // a third party over HTTP
	Together           // inner steps at the same time
)

// Step is one thing that an endpoint does. Times are medians in milliseconds.
type Step struct {
	Op     Op
	Target string // service, host or topic
	Name   string // endpoint, key, summary of the statement, name of the work
	Text   string // statement
	MS     float64
	Rows   int
	Miss   float64 // chance of a cache miss
	Chance float64 // how likely the step is taken; 0 means always
	Fans   bool    // a release with the N+1 bug repeats the step for each item
	Steps  []Step
}

func work(name string, ms float64, inner ...Step) Step {
	return Step{Op: Work, Name: name, MS: ms, Steps: inner}
}

func cache(key string, miss float64, inner ...Step) Step {
	return Step{Op: Cache, Name: key, MS: 0.9, Miss: miss, Steps: inner}
}

func sql(summary, text string, ms float64, rows int) Step {
	return Step{Op: SQL, Name: summary, Text: text, MS: ms, Rows: rows}
}
func call(service, endpoint string) Step { return Step{Op: Call, Target: service, Name: endpoint} }
func publish(topic string) Step          { return Step{Op: Publish, Target: topic, MS: 3.5} }
func external(host, request string, ms float64) Step {
	return Step{Op: External, Target: host, Name: request, MS: ms}
}

func search(index, query string, ms float64, rows int) Step {
	return Step{Op: Search, Target: index, Text: query, MS: ms, Rows: rows}
}
func together(inner ...Step) Step { return Step{Op: Together, Steps: inner} }
func maybe(chance float64, s Step) Step {
	s.Chance = chance
	return s
}

func perItem(s Step) Step {
	s.Fans = true
	return s
}

// Endpoint is an HTTP route, or a topic that is consumed.
type Endpoint struct {
	Method, Route string
	Topic         string
	Linked        bool    // consumer spans start their own trace and link to the producer
	Share         float64 // requests a second of the real shop, at the edge only
	MS            float64 // own time, split before, between and after the steps
	Fail          float64 // chance of a failure of its own
	Reject        float64 // chance of a 4xx answer
	Status        int     // of a good answer; 0 means 200
	Query         string
	Steps         []Step
}

// Name is the name of the endpoint's spans: method and route, or the operation on the topic.
func (e *Endpoint) Name() string {
	if e.Topic != "" {
		return "process " + e.Topic
	}
	return e.Method + " " + e.Route
}

// Target is the service that the endpoint calls, empty when it answers by itself.
func (e *Endpoint) Target() string {
	for _, s := range e.Steps {
		if s.Op == Call {
			return s.Target
		}
	}
	return ""
}

// Service is a deployment of the shop.
type Service struct {
	Name string
	// Lang is go, java, node or python.
	Lang      string
	Replicas  int
	CPU       float64 // share of the CPU request at mean load
	Releases  []Release
	Endpoints []Endpoint
}

// Endpoint returns the endpoint of a name, nil if there is none.
func (s *Service) Endpoint(name string) *Endpoint {
	for i := range s.Endpoints {
		if s.Endpoints[i].Name() == name {
			return &s.Endpoints[i]
		}
	}
	return nil
}

// proxy is an endpoint of the edge that authenticates and passes a request on.
func proxy(service, method, route string, share, reject float64) Endpoint {
	return Endpoint{Method: method, Route: route, Share: share, MS: 1.6, Fail: 0.0002, Reject: reject, Steps: []Step{
		work("auth.verify", 0.7, maybe(0.35, cache("session:{id}", 0.02))),
		call(service, method+" "+route),
	}}
}

// Services is the shop, in the order in which Config.Services keeps them.
func Services() []*Service {
	return []*Service{edgeGateway(), checkoutAPI(), catalogAPI(), payments(), ordersWorker(), inventory(), searchAPI()}
}

func edgeGateway() *Service {
	return &Service{
		Name: "edge-gateway", Lang: "go", Replicas: 6, CPU: 0.41,
		Releases: []Release{{"1.44.2", 6 * day}, {"1.44.0", 20 * day}, {"1.43.7", 60 * day}},
		Endpoints: []Endpoint{
			{Method: "GET", Route: "/v1/session", Share: 215, MS: 1.4, Fail: 0.0004, Reject: 0.05, Steps: []Step{work("auth.verify", 0.7), cache("session:{id}", 0.03)}},
			{Method: "POST", Route: "/v1/login", Share: 24, MS: 62, Fail: 0.0009, Reject: 0.09, Steps: []Step{cache("ratelimit:{id}", 0.4), work("argon2.compare", 48)}},
			{Method: "GET", Route: "/healthz", Share: 96, MS: 0.3},
			proxy("catalog-api", "GET", "/v1/home", 300, 0.002),
			proxy("catalog-api", "GET", "/v1/products/{id}", 381, 0.012),
			proxy("catalog-api", "GET", "/v1/categories/{slug}", 146, 0.008),
			proxy("catalog-api", "GET", "/v1/products/{id}/reviews", 78, 0.004),
			proxy("search-api", "GET", "/v1/search", 268, 0.006),
			proxy("search-api", "GET", "/v1/suggest", 120, 0.002),
			proxy("checkout-api", "POST", "/v1/checkout", 41.2, 0.02),
			proxy("checkout-api", "GET", "/v1/cart/{id}", 88.4, 0.02),
			proxy("checkout-api", "PUT", "/v1/cart/{id}/items", 39.1, 0.03),
			proxy("checkout-api", "DELETE", "/v1/cart/{id}/items/{item}", 2.1, 0.03),
			proxy("checkout-api", "POST", "/v1/orders", 18.9, 0.015),
			proxy("checkout-api", "GET", "/v1/orders/{id}", 22.7, 0.02),
		},
	}
}

func checkoutAPI() *Service {
	items := perItem(sql("SELECT line_items", "SELECT * FROM line_items WHERE order_id = $1", 4.2, 3))
	reserve := call("inventory", "POST /reserve")
	return &Service{
		Name: "checkout-api", Lang: "java", Replicas: 8, CPU: 0.52,
		Releases: []Release{{"2.13.4", 9 * day}, {"2.13.3", 19 * day}, {"2.12.8", 60 * day}},
		Endpoints: []Endpoint{
			{Method: "POST", Route: "/v1/checkout", MS: 9, Fail: 0.0018, Reject: 0.01, Steps: []Step{
				cache("cart:{id}", 0.04, sql("SELECT carts", "SELECT id, customer_id, items, updated_at FROM carts WHERE id = $1", 3.1, 1)),
				work("OrderRepo.loadItems", 2.5, items),
				reserve,
				call("payments", "POST /charge"),
				work("Pool.acquire", 0.6),
				publish("orders"),
			}},
			{Method: "GET", Route: "/v1/cart/{id}", MS: 4.5, Fail: 0.0008, Reject: 0.01, Steps: []Step{
				cache("cart:{id}", 0.06, sql("SELECT carts", "SELECT id, customer_id, items, updated_at FROM carts WHERE id = $1", 3.1, 1)),
				maybe(0.5, call("inventory", "GET /stock/{sku}")),
			}},
			{Method: "PUT", Route: "/v1/cart/{id}/items", MS: 5, Fail: 0.0006, Reject: 0.015, Steps: []Step{
				sql("INSERT cart_items", "INSERT INTO cart_items (cart_id, sku, quantity, price_cents) VALUES ($1, $2, $3, $4) ON CONFLICT (cart_id, sku) DO UPDATE SET quantity = excluded.quantity", 5.4, 1),
				cache("cart:{id}", 0.1),
				call("inventory", "GET /stock/{sku}"),
			}},
			{Method: "DELETE", Route: "/v1/cart/{id}/items/{item}", MS: 4, Status: 204, Fail: 0.0003, Steps: []Step{
				sql("DELETE cart_items", "DELETE FROM cart_items WHERE cart_id = $1 AND id = $2", 4.2, 0),
			}},
			{Method: "POST", Route: "/v1/orders", MS: 11, Status: 201, Fail: 0.002, Reject: 0.02, Steps: []Step{
				work("OrderRepo.loadItems", 2.5, items),
				sql("INSERT orders", "INSERT INTO orders (id, customer_id, total_cents, currency, status) VALUES ($1, $2, $3, $4, 'placed')", 6.5, 1),
				reserve,
				publish("orders"),
			}},
			{Method: "GET", Route: "/v1/orders/{id}", MS: 4, Fail: 0.0005, Reject: 0.02, Steps: []Step{
				sql("SELECT orders", "SELECT id, customer_id, total_cents, currency, status, created_at FROM orders WHERE id = $1", 3.8, 1),
				together(sql("SELECT line_items", "SELECT * FROM line_items WHERE order_id = $1", 4.2, 3), call("payments", "GET /payments/{id}")),
			}},
		},
	}
}

func catalogAPI() *Service {
	return &Service{
		Name: "catalog-api", Lang: "node", Replicas: 5, CPU: 0.46,
		Releases: []Release{{"5.3.1", 22 * hour}, {"5.3.0", 12 * day}, {"5.2.9", 26 * day}, {"5.2.4", 60 * day}},
		Endpoints: []Endpoint{
			{Method: "GET", Route: "/v1/home", MS: 4, Fail: 0.0003, Steps: []Step{
				cache("catalog:home", 0.004, sql("SELECT products, prices, campaigns", "SELECT p.id, p.title, p.image, pr.amount_cents, c.badge FROM products p JOIN prices pr ON pr.product_id = p.id LEFT JOIN campaigns c ON c.product_id = p.id WHERE p.listed ORDER BY p.rank LIMIT 120", 310, 120)),
				maybe(0.6, cache("banner:{slug}", 0.08)),
			}},
			{Method: "GET", Route: "/v1/products/{id}", MS: 3.5, Fail: 0.0006, Reject: 0.02, Steps: []Step{
				cache("product:{id}", 0.11, sql("SELECT products", "SELECT id, title, description, image, brand_id FROM products WHERE id = $1", 4.1, 1)),
				together(cache("price:{id}", 0.14, sql("SELECT prices", "SELECT amount_cents, currency, valid_until FROM prices WHERE product_id = $1", 2.8, 1)), call("inventory", "GET /stock/{sku}")),
			}},
			{Method: "GET", Route: "/v1/categories/{slug}", MS: 5, Fail: 0.0004, Reject: 0.006, Steps: []Step{
				cache("category:{slug}", 0.18, sql("SELECT products, categories", "SELECT p.id, p.title, p.image FROM products p JOIN product_categories pc ON pc.product_id = p.id WHERE pc.category_id = $1 ORDER BY p.rank LIMIT 48 OFFSET $2", 23, 48)),
				maybe(0.4, call("inventory", "GET /stock")),
			}},
			{Method: "GET", Route: "/v1/products/{id}/reviews", MS: 3, Fail: 0.0003, Steps: []Step{
				sql("SELECT reviews", "SELECT id, rating, title, body, author, created_at FROM reviews WHERE product_id = $1 ORDER BY created_at DESC LIMIT 20", 9, 20),
			}},
		},
	}
}

func payments() *Service {
	return &Service{
		Name: "payments", Lang: "go", Replicas: 4, CPU: 0.33,
		Releases: []Release{{"3.8.0", 2 * day}, {"3.7.5", 13 * day}, {"3.7.1", 60 * day}},
		Endpoints: []Endpoint{
			{Method: "POST", Route: "/charge", MS: 3.5, Fail: 0.0007, Reject: 0.012, Steps: []Step{
				cache("idempotency:{id}", 0.97),
				external("api.stripe.com", "POST /v1/payment_intents", 92),
				sql("INSERT payments", "INSERT INTO payments (id, order_id, amount_cents, currency, provider_ref, status) VALUES ($1, $2, $3, $4, $5, $6)", 4.4, 1),
			}},
			{Method: "GET", Route: "/payments/{id}", MS: 2, Fail: 0.0003, Reject: 0.01, Steps: []Step{
				cache("payment:{id}", 0.2, external("api.stripe.com", "GET /v1/payment_intents/{id}", 61)),
			}},
		},
	}
}

func ordersWorker() *Service {
	return &Service{
		Name: "orders-worker", Lang: "java", Replicas: 6, CPU: 0.38,
		Releases: []Release{{"2.13.9", 3 * day}, {"2.13.4", 16 * day}, {"2.12.8", 60 * day}},
		Endpoints: []Endpoint{
			{Topic: "orders", MS: 7, Fail: 0.0021, Steps: []Step{
				sql("INSERT orders", "INSERT INTO orders (id, customer_id, total_cents, currency, status) VALUES ($1, $2, $3, $4, 'accepted') ON CONFLICT (id) DO NOTHING", 7.5, 1),
				sql("UPDATE order_totals", "UPDATE order_totals SET orders = orders + 1, amount_cents = amount_cents + $2 WHERE day = $1", 9, 1),
				work("InvoiceRenderer.render", 68),
				maybe(0.6, publish("emails")),
			}},
			{Topic: "emails", Linked: true, MS: 5, Fail: 0.003, Steps: []Step{
				external("api.postmarkapp.com", "POST /email/withTemplate", 140),
			}},
		},
	}
}

func inventory() *Service {
	return &Service{
		Name: "inventory", Lang: "go", Replicas: 3, CPU: 0.18,
		Releases: []Release{{"1.19.4", 31 * day}},
		Endpoints: []Endpoint{
			{Method: "POST", Route: "/reserve", MS: 2.4, Fail: 0.0005, Reject: 0.01, Steps: []Step{
				sql("UPDATE stock", "UPDATE stock SET reserved = reserved + $2 WHERE sku = $1 AND available - reserved >= $2 RETURNING available", 8.5, 1),
			}},
			{Method: "GET", Route: "/stock/{sku}", MS: 1.2, Fail: 0.0003, Reject: 0.004, Steps: []Step{
				sql("SELECT stock", "SELECT available, reserved, warehouse FROM stock WHERE sku = $1", 3.9, 2),
			}},
			{Method: "GET", Route: "/stock", MS: 1.8, Fail: 0.0003, Query: "skus={id},{id},{id},{id}", Steps: []Step{
				sql("SELECT stock", "SELECT sku, available FROM stock WHERE sku = ANY($1)", 6.6, 36),
			}},
		},
	}
}

func searchAPI() *Service {
	return &Service{
		Name: "search-api", Lang: "python", Replicas: 4, CPU: 0.57,
		Releases: []Release{{"0.92.0", 9 * day}, {"0.91.2", 24 * day}, {"0.90.0", 60 * day}},
		Endpoints: []Endpoint{
			{Method: "GET", Route: "/v1/search", MS: 12, Fail: 0.0008, Reject: 0.004, Query: "q={word}&page={page}", Steps: []Step{
				search("products", `{"query":{"multi_match":{"query":"?","fields":["title^3","brand","description"]}},"aggs":{"brand":{"terms":{"field":"brand"}}}}`, 31, 24),
				work("rank.rerank", 6),
			}},
			{Method: "GET", Route: "/v1/suggest", MS: 4, Fail: 0.0003, Query: "q={word}", Steps: []Step{
				maybe(0.12, search("suggestions", `{"suggest":{"text":"?","completion":{"field":"suggest","size":8}}}`, 9, 8)),
			}},
		},
	}
}

// Refusals are the answers that an endpoint turns requests away with: the edge for who asks, others for what is asked.
func (e *Endpoint) Refusals() [3]int {
	if e.Share > 0 {
		return [3]int{401, 429, 403}
	}
	return [3]int{404, 400, 409}
}

// UserAgents are the browsers and apps of the shop's customers. Nobody changes them.
var UserAgents = [...]string{
	"Mozilla/5.0 (iPhone; CPU iPhone OS 20_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/20.1 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:150.0) Gecko/20100101 Firefox/150.0",
	"shop-android/8.14.2 okhttp/5.3.0",
}

var words = [...]string{"sneaker", "rain+jacket", "espresso", "desk+lamp", "usb-c+cable", "notebook", "wool+socks", "headphones", "kettle", "backpack"}

// Fill replaces the placeholders of a route, key or query; small ids are the popular ones.
func Fill(pattern string, rng *rand.Rand) string {
	for {
		open := strings.IndexByte(pattern, '{')
		if open < 0 {
			return pattern
		}
		size := strings.IndexByte(pattern[open:], '}')
		u := rng.Float64()
		var value string
		switch pattern[open+1 : open+size] {
		case "slug", "word":
			value = words[int(u*u*float64(len(words)))]
		case "page":
			value = fmt.Sprint(1 + int(4*u*u*u))
		case "sku":
			value = fmt.Sprintf("SKU-%05d", int(40_000*u*u*u))
		default:
			value = fmt.Sprint(1000 + int(90_000*u*u*u))
		}
		pattern = pattern[:open] + value + pattern[open+size+1:]
	}
}
