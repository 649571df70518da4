package shop

// op is what a step of a request does.
type op int

const (
	opWork     op = iota // own code
	opCache              // a key of redis; the inner steps run after a miss
	opSQL                // a statement of postgres
	opSearch             // a query of opensearch
	opCall               // another service
	opPublish            // a message to kafka
	opExternal           // a third party over HTTP
	opTogether           // inner steps at the same time
)

// step is one thing that an endpoint does. Times are medians in milliseconds.
type step struct {
	op     op
	target string // service, host or topic
	name   string // endpoint, key, summary of the statement, name of the work
	text   string // statement
	ms     float64
	rows   int
	miss   float64 // chance of a cache miss
	chance float64 // how likely the step is taken; 0 means always
	fans   bool    // a release with the N+1 bug repeats the step for each item
	steps  []step
}

func work(name string, ms float64, inner ...step) step {
	return step{op: opWork, name: name, ms: ms, steps: inner}
}
func cache(key string, miss float64, inner ...step) step {
	return step{op: opCache, name: key, ms: 0.9, miss: miss, steps: inner}
}
func sql(summary, text string, ms float64, rows int) step {
	return step{op: opSQL, name: summary, text: text, ms: ms, rows: rows}
}
func call(service, endpoint string) step { return step{op: opCall, target: service, name: endpoint} }
func publish(topic string) step          { return step{op: opPublish, target: topic, ms: 3.5} }
func external(host, request string, ms float64) step {
	return step{op: opExternal, target: host, name: request, ms: ms}
}
func search(index, query string, ms float64, rows int) step {
	return step{op: opSearch, target: index, text: query, ms: ms, rows: rows}
}
func together(inner ...step) step { return step{op: opTogether, steps: inner} }
func maybe(chance float64, s step) step {
	s.chance = chance
	return s
}
func perItem(s step) step {
	s.fans = true
	return s
}

// endpoint is an HTTP route, or a topic that is consumed.
type endpoint struct {
	method, route string
	topic         string
	linked        bool    // consumer spans start their own trace and link to the producer
	share         float64 // requests a second of the real shop, at the edge only
	ms            float64 // own time, split before, between and after the steps
	fail          float64 // chance of a failure of its own
	reject        float64 // chance of a 4xx answer
	status        int     // of a good answer; 0 means 200
	query         string
	steps         []step
}

func (e *endpoint) name() string {
	if e.topic != "" {
		return "process " + e.topic
	}
	return e.method + " " + e.route
}

// target is the service that the endpoint calls, empty when it answers by itself.
func (e *endpoint) target() string {
	for _, s := range e.steps {
		if s.op == opCall {
			return s.target
		}
	}
	return ""
}

type service struct {
	name, lang, team string
	replicas         int
	cpu              float64 // share of the CPU request at mean load
	releases         []release
	endpoints        []endpoint
}

func (s *service) endpoint(name string) *endpoint {
	for i := range s.endpoints {
		if s.endpoints[i].name() == name {
			return &s.endpoints[i]
		}
	}
	return nil
}

// proxy is an endpoint of the edge that authenticates and passes a request on.
func proxy(service, method, route string, share, reject float64) endpoint {
	return endpoint{method: method, route: route, share: share, ms: 1.6, fail: 0.0002, reject: reject, steps: []step{
		work("auth.verify", 0.7, maybe(0.35, cache("session:{id}", 0.02))),
		call(service, method+" "+route),
	}}
}

// services is the shop, in the order in which Config.Services keeps them.
func services() []*service {
	return []*service{edgeGateway(), checkoutAPI(), catalogAPI(), payments(), ordersWorker(), inventory(), searchAPI()}
}

func edgeGateway() *service {
	return &service{name: "edge-gateway", lang: "go", replicas: 6, cpu: 0.41,
		releases: []release{{"1.44.2", 6 * day}, {"1.44.0", 20 * day}, {"1.43.7", 60 * day}},
		endpoints: []endpoint{
			{method: "GET", route: "/v1/session", share: 215, ms: 1.4, fail: 0.0004, reject: 0.05, steps: []step{work("auth.verify", 0.7), cache("session:{id}", 0.03)}},
			{method: "POST", route: "/v1/login", share: 24, ms: 62, fail: 0.0009, reject: 0.09, steps: []step{cache("ratelimit:{id}", 0.4), work("argon2.compare", 48)}},
			{method: "GET", route: "/healthz", share: 96, ms: 0.3},
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
		}}
}

func checkoutAPI() *service {
	items := perItem(sql("SELECT line_items", "SELECT * FROM line_items WHERE order_id = $1", 4.2, 3))
	reserve := call("inventory", "POST /reserve")
	return &service{name: "checkout-api", lang: "java", team: "checkout", replicas: 8, cpu: 0.52,
		releases: []release{{"2.13.4", 9 * day}, {"2.13.3", 19 * day}, {"2.12.8", 60 * day}},
		endpoints: []endpoint{
			{method: "POST", route: "/v1/checkout", ms: 9, fail: 0.0018, reject: 0.01, steps: []step{
				cache("cart:{id}", 0.04, sql("SELECT carts", "SELECT id, customer_id, items, updated_at FROM carts WHERE id = $1", 3.1, 1)),
				work("OrderRepo.loadItems", 2.5, items),
				reserve,
				call("payments", "POST /charge"),
				work("Pool.acquire", 0.6),
				publish("orders"),
			}},
			{method: "GET", route: "/v1/cart/{id}", ms: 4.5, fail: 0.0008, reject: 0.01, steps: []step{
				cache("cart:{id}", 0.06, sql("SELECT carts", "SELECT id, customer_id, items, updated_at FROM carts WHERE id = $1", 3.1, 1)),
				maybe(0.5, call("inventory", "GET /stock/{sku}")),
			}},
			{method: "PUT", route: "/v1/cart/{id}/items", ms: 5, fail: 0.0006, reject: 0.015, steps: []step{
				sql("INSERT cart_items", "INSERT INTO cart_items (cart_id, sku, quantity, price_cents) VALUES ($1, $2, $3, $4) ON CONFLICT (cart_id, sku) DO UPDATE SET quantity = excluded.quantity", 5.4, 1),
				cache("cart:{id}", 0.1),
				call("inventory", "GET /stock/{sku}"),
			}},
			{method: "DELETE", route: "/v1/cart/{id}/items/{item}", ms: 4, status: 204, fail: 0.0003, steps: []step{
				sql("DELETE cart_items", "DELETE FROM cart_items WHERE cart_id = $1 AND id = $2", 4.2, 0),
			}},
			{method: "POST", route: "/v1/orders", ms: 11, status: 201, fail: 0.002, reject: 0.02, steps: []step{
				work("OrderRepo.loadItems", 2.5, items),
				sql("INSERT orders", "INSERT INTO orders (id, customer_id, total_cents, currency, status) VALUES ($1, $2, $3, $4, 'placed')", 6.5, 1),
				reserve,
				publish("orders"),
			}},
			{method: "GET", route: "/v1/orders/{id}", ms: 4, fail: 0.0005, reject: 0.02, steps: []step{
				sql("SELECT orders", "SELECT id, customer_id, total_cents, currency, status, created_at FROM orders WHERE id = $1", 3.8, 1),
				together(sql("SELECT line_items", "SELECT * FROM line_items WHERE order_id = $1", 4.2, 3), call("payments", "GET /payments/{id}")),
			}},
		}}
}

func catalogAPI() *service {
	return &service{name: "catalog-api", lang: "node", team: "catalog", replicas: 5, cpu: 0.46,
		releases: []release{{"5.3.1", 22 * hour}, {"5.3.0", 12 * day}, {"5.2.9", 26 * day}, {"5.2.4", 60 * day}},
		endpoints: []endpoint{
			{method: "GET", route: "/v1/home", ms: 4, fail: 0.0003, steps: []step{
				cache("catalog:home", 0.004, sql("SELECT products, prices, campaigns", "SELECT p.id, p.title, p.image, pr.amount_cents, c.badge FROM products p JOIN prices pr ON pr.product_id = p.id LEFT JOIN campaigns c ON c.product_id = p.id WHERE p.listed ORDER BY p.rank LIMIT 120", 310, 120)),
				maybe(0.6, cache("banner:{slug}", 0.08)),
			}},
			{method: "GET", route: "/v1/products/{id}", ms: 3.5, fail: 0.0006, reject: 0.02, steps: []step{
				cache("product:{id}", 0.11, sql("SELECT products", "SELECT id, title, description, image, brand_id FROM products WHERE id = $1", 4.1, 1)),
				together(cache("price:{id}", 0.14, sql("SELECT prices", "SELECT amount_cents, currency, valid_until FROM prices WHERE product_id = $1", 2.8, 1)), call("inventory", "GET /stock/{sku}")),
			}},
			{method: "GET", route: "/v1/categories/{slug}", ms: 5, fail: 0.0004, reject: 0.006, steps: []step{
				cache("category:{slug}", 0.18, sql("SELECT products, categories", "SELECT p.id, p.title, p.image FROM products p JOIN product_categories pc ON pc.product_id = p.id WHERE pc.category_id = $1 ORDER BY p.rank LIMIT 48 OFFSET $2", 23, 48)),
				maybe(0.4, call("inventory", "GET /stock")),
			}},
			{method: "GET", route: "/v1/products/{id}/reviews", ms: 3, fail: 0.0003, steps: []step{
				sql("SELECT reviews", "SELECT id, rating, title, body, author, created_at FROM reviews WHERE product_id = $1 ORDER BY created_at DESC LIMIT 20", 9, 20),
			}},
		}}
}

func payments() *service {
	return &service{name: "payments", lang: "go", team: "payments", replicas: 4, cpu: 0.33,
		releases: []release{{"3.8.0", 2 * day}, {"3.7.5", 13 * day}, {"3.7.1", 60 * day}},
		endpoints: []endpoint{
			{method: "POST", route: "/charge", ms: 3.5, fail: 0.0007, reject: 0.012, steps: []step{
				cache("idempotency:{id}", 0.97),
				external("api.stripe.com", "POST /v1/payment_intents", 92),
				sql("INSERT payments", "INSERT INTO payments (id, order_id, amount_cents, currency, provider_ref, status) VALUES ($1, $2, $3, $4, $5, $6)", 4.4, 1),
			}},
			{method: "GET", route: "/payments/{id}", ms: 2, fail: 0.0003, reject: 0.01, steps: []step{
				cache("payment:{id}", 0.2, external("api.stripe.com", "GET /v1/payment_intents/{id}", 61)),
			}},
		}}
}

func ordersWorker() *service {
	return &service{name: "orders-worker", lang: "java", team: "checkout", replicas: 6, cpu: 0.38,
		releases: []release{{"2.13.9", 3 * day}, {"2.13.4", 16 * day}, {"2.12.8", 60 * day}},
		endpoints: []endpoint{
			{topic: "orders", ms: 7, fail: 0.0021, steps: []step{
				sql("INSERT orders", "INSERT INTO orders (id, customer_id, total_cents, currency, status) VALUES ($1, $2, $3, $4, 'accepted') ON CONFLICT (id) DO NOTHING", 7.5, 1),
				sql("UPDATE order_totals", "UPDATE order_totals SET orders = orders + 1, amount_cents = amount_cents + $2 WHERE day = $1", 9, 1),
				work("InvoiceRenderer.render", 68),
				maybe(0.6, publish("emails")),
			}},
			{topic: "emails", linked: true, ms: 5, fail: 0.003, steps: []step{
				external("api.postmarkapp.com", "POST /email/withTemplate", 140),
			}},
		}}
}

func inventory() *service {
	return &service{name: "inventory", lang: "go", team: "catalog", replicas: 3, cpu: 0.18,
		releases: []release{{"1.19.4", 31 * day}},
		endpoints: []endpoint{
			{method: "POST", route: "/reserve", ms: 2.4, fail: 0.0005, reject: 0.01, steps: []step{
				sql("UPDATE stock", "UPDATE stock SET reserved = reserved + $2 WHERE sku = $1 AND available - reserved >= $2 RETURNING available", 8.5, 1),
			}},
			{method: "GET", route: "/stock/{sku}", ms: 1.2, fail: 0.0003, reject: 0.004, steps: []step{
				sql("SELECT stock", "SELECT available, reserved, warehouse FROM stock WHERE sku = $1", 3.9, 2),
			}},
			{method: "GET", route: "/stock", ms: 1.8, fail: 0.0003, query: "skus={id},{id},{id},{id}", steps: []step{
				sql("SELECT stock", "SELECT sku, available FROM stock WHERE sku = ANY($1)", 6.6, 36),
			}},
		}}
}

func searchAPI() *service {
	return &service{name: "search-api", lang: "python", team: "search", replicas: 4, cpu: 0.57,
		releases: []release{{"0.92.0", 9 * day}, {"0.91.2", 24 * day}, {"0.90.0", 60 * day}},
		endpoints: []endpoint{
			{method: "GET", route: "/v1/search", ms: 12, fail: 0.0008, reject: 0.004, query: "q={word}&page={page}", steps: []step{
				search("products", `{"query":{"multi_match":{"query":"?","fields":["title^3","brand","description"]}},"aggs":{"brand":{"terms":{"field":"brand"}}}}`, 31, 24),
				work("rank.rerank", 6),
			}},
			{method: "GET", route: "/v1/suggest", ms: 4, fail: 0.0003, query: "q={word}", steps: []step{
				maybe(0.12, search("suggestions", `{"suggest":{"text":"?","completion":{"field":"suggest","size":8}}}`, 9, 8)),
			}},
		}}
}
