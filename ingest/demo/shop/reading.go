package shop

import (
	"time"

	"go.opentelemetry.io/otel/attribute"

	"loadline/ingest/demo/shop/blueprint"
)

// Shape is how the values of a metric behave.
type Shape int

// The shapes of metrics that readings have.
const (
	Gauge   Shape = iota
	UpDown        // a sum that may fall
	Counter       // a sum that only grows
)

// Reading is one value of one metric.
type Reading struct {
	Name, Unit string
	Shape      Shape
	// Value is what is measured; for a Counter it is the growth per second.
	Value      float64
	Attributes []attribute.KeyValue
}

// Source is something whose state is measured: a pod, or a part of the platform that a collector watches.
type Source struct {
	Scope    string
	Resource []attribute.KeyValue
	Readings []Reading
}

// Platform reads what a collector knows of the shop at a moment: brokers, caches, databases, deployments and their
// autoscalers. These resources have no service.name, as those of the collector's receivers have none.
func (m *Model) Platform(at time.Time) []Source {
	now := m.incidents(at)
	load := m.load(at)
	sources := []Source{m.kafka(now, load), m.redis(now, load), m.postgres(now, load)}
	for _, s := range m.services {
		sources = append(sources, m.deployment(s, now, load))
	}
	return sources
}

const receivers = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/"

func (m *Model) kafka(now incidents, load float64) Source {
	rate := m.ordersRate() * load
	emails := rate * 0.6
	group := func(topic string) attribute.KeyValue { return attribute.String("topic", topic) }
	worker := attribute.String("group", "orders-worker")
	s := Source{Scope: receivers + "kafkametricsreceiver", Resource: []attribute.KeyValue{
		attribute.String("kafka.cluster.alias", "shop-events"), attribute.String("server.address", "kafka-0.kafka"), attribute.Int("server.port", 9092),
	}}
	add := func(name, unit string, shape Shape, v float64, attributes ...attribute.KeyValue) {
		s.Readings = append(s.Readings, Reading{name, unit, shape, v, attributes})
	}
	add("kafka.brokers", "{brokers}", UpDown, 3)
	for _, topic := range []struct {
		name         string
		queued, rate float64
	}{{"orders", now.queued, rate}, {"emails", emails * 0.2, emails}} {
		sum := 0.0
		for p := range partitions {
			id := attribute.Int("partition", p)
			share := (0.85 + 0.3*m.unit(topic.name, int64(p))) / partitions
			lag := float64(int(topic.queued * share))
			sum += lag
			add("kafka.consumer_group.lag", "1", Gauge, lag, worker, group(topic.name), id)
			add("kafka.partition.current_offset", "1", Gauge, 40e6+float64(int(topic.rate*share*float64(now.at.Unix()%1e7))), group(topic.name), id)
		}
		add("kafka.consumer_group.lag_sum", "1", Gauge, sum, worker, group(topic.name))
		add("kafka.topic.partitions", "{partitions}", UpDown, partitions, group(topic.name))
	}
	add("kafka.consumer_group.members", "{members}", UpDown, 6, worker)
	return s
}

func (m *Model) redis(now incidents, load float64) Source {
	rate := m.cfg.Rate * load
	hits := 0.874 + 0.012*m.noise("hits", float64(now.at.Unix())/90)
	misses := rate * 0.9 * (1 - hits)
	if !now.rebuild.IsZero() {
		misses += rate * 0.16
	}
	s := Source{Scope: receivers + "redisreceiver", Resource: []attribute.KeyValue{
		attribute.String("redis.version", "8.6.1"), attribute.String("server.address", "redis-main"), attribute.Int("server.port", 6379),
	}}
	add := func(name, unit string, shape Shape, v float64, attributes ...attribute.KeyValue) {
		s.Readings = append(s.Readings, Reading{name, unit, shape, v, attributes})
	}
	add("redis.keyspace.hits", "{hit}", Counter, rate*0.9*hits)
	add("redis.keyspace.misses", "{miss}", Counter, misses)
	add("redis.commands.processed", "{command}", Counter, rate*1.2)
	add("redis.keys.evicted", "{key}", Counter, rate*0.004*load)
	add("redis.keys.expired", "{key}", Counter, rate*0.05)
	add("redis.memory.used", "By", Gauge, float64(int((2.35+0.25*load)*(1<<30))))
	add("redis.maxmemory", "By", Gauge, 3<<30)
	add("redis.clients.connected", "{client}", UpDown, float64(96+int(20*load)))
	add("redis.db.keys", "{key}", Gauge, float64(410_000+int(60_000*load)), attribute.String("db", "0"))
	return s
}

func (m *Model) postgres(now incidents, load float64) Source {
	busy := 34 * load
	if now.nPlusOne {
		busy += 110 * now.rollout
	}
	s := Source{Scope: receivers + "postgresqlreceiver", Resource: []attribute.KeyValue{
		attribute.String("postgresql.database.name", "shop"), attribute.String("server.address", "pg-primary"), attribute.Int("server.port", 5432),
	}}
	add := func(name, unit string, shape Shape, v float64, attributes ...attribute.KeyValue) {
		s.Readings = append(s.Readings, Reading{name, unit, shape, v, attributes})
	}
	add("postgresql.backends", "1", UpDown, float64(int(60+busy)))
	add("postgresql.connection.max", "{connections}", Gauge, 240)
	add("postgresql.commits", "1", Counter, m.cfg.Rate*load*0.8)
	add("postgresql.rollbacks", "1", Counter, m.cfg.Rate*load*0.002)
	add("postgresql.blks_hit", "{blks_hit}", Counter, m.cfg.Rate*load*55*(1+3*now.rollout))
	add("postgresql.blks_read", "{blks_read}", Counter, m.cfg.Rate*load*1.7)
	add("postgresql.db_size", "By", UpDown, 184e9)
	return s
}

// deployment is a Kubernetes deployment with its autoscaler.
func (m *Model) deployment(s *blueprint.Service, now incidents, load float64) Source {
	target := 0.7
	cpu := m.cpu(s, now, load)
	desired := min(s.Replicas, max(2, int(float64(s.Replicas)*cpu/target+0.999)))
	if cpu > target {
		desired = s.Replicas // the autoscaler is at its limit
	}
	src := Source{Scope: receivers + "k8sclusterreceiver", Resource: []attribute.KeyValue{
		attribute.String("k8s.cluster.name", "shop-eu-west-1"), attribute.String("k8s.namespace.name", "shop"),
		attribute.String("k8s.deployment.name", s.Name), attribute.String("k8s.hpa.name", s.Name),
		attribute.String("k8s.hpa.scaletargetref.name", s.Name), attribute.String("k8s.hpa.scaletargetref.kind", "Deployment"),
	}}
	add := func(name string, v int) {
		src.Readings = append(src.Readings, Reading{Name: name, Unit: "{pod}", Shape: UpDown, Value: float64(v)})
	}
	add("k8s.deployment.pod.desired", s.Replicas)
	add("k8s.deployment.pod.available", s.Replicas)
	add("k8s.hpa.pod.current", s.Replicas)
	add("k8s.hpa.pod.desired", max(desired, s.Replicas-2))
	add("k8s.hpa.pod.min", 2)
	add("k8s.hpa.pod.max", s.Replicas)
	src.Readings = append(src.Readings, Reading{Name: "k8s.hpa.metric.target.cpu.average_utilization", Unit: "1", Shape: Gauge, Value: target})
	return src
}

// cpu is the used share of what a service's pods request.
func (m *Model) cpu(s *blueprint.Service, now incidents, load float64) float64 {
	u := s.CPU * (0.25 + 0.75*load)
	if s.Name == "checkout-api" {
		u += 0.27 * now.rollout
	}
	if s.Name == "orders-worker" && now.backlog > 0 {
		u += 0.2
	}
	return u
}

// Pod reads what a pod's SDK and its kubelet know at a moment.
func (m *Model) Pod(in *Instance, at time.Time) Source {
	now, load, s := m.incidents(at), m.load(at), in.service
	wobble := m.noise(in.Pod, float64(at.Unix())/41)
	cpu := m.cpu(s, now, load) * (1 + 0.09*wobble)
	const request, limit, memory = 1.0, 2.0, 1 << 30
	used := float64(int((0.46 + 0.08*load + 0.02*wobble) * memory))
	src := Source{Scope: "com.example.shop/runtime", Resource: in.Resource}
	add := func(name, unit string, shape Shape, v float64, attributes ...attribute.KeyValue) {
		src.Readings = append(src.Readings, Reading{name, unit, shape, v, attributes})
	}
	add("process.cpu.time", "s", Counter, cpu*0.86, attribute.String("cpu.mode", "user"))
	add("process.cpu.time", "s", Counter, cpu*0.14, attribute.String("cpu.mode", "system"))
	add("process.memory.usage", "By", UpDown, used)
	add("k8s.pod.cpu.usage", "{cpu}", Gauge, cpu*request)
	add("k8s.pod.memory.working_set", "By", Gauge, used*1.06)
	add("k8s.container.cpu.request.desired", "{cpu}", UpDown, request)
	add("k8s.container.cpu.limit.desired", "{cpu}", UpDown, limit)
	add("k8s.container.memory.request.desired", "By", UpDown, memory)
	add("k8s.container.memory.limit.desired", "By", UpDown, memory)
	add("k8s.container.restart.count", "{restart}", UpDown, float64(int(m.unit(in.Pod, 0)*1.2)))
	add("http.server.active_requests", "{request}", UpDown, float64(int(3*load*(1+wobble)+9*now.rollout*m.suffers(s))), attribute.String("http.request.method", "GET"), attribute.String("url.scheme", "http"))
	switch in.Language {
	case "java":
		add("jvm.memory.used", "By", UpDown, used*0.62, attribute.String("jvm.memory.type", "heap"), attribute.String("jvm.memory.pool.name", "G1 Old Gen"))
		add("jvm.memory.limit", "By", UpDown, 768<<20, attribute.String("jvm.memory.type", "heap"), attribute.String("jvm.memory.pool.name", "G1 Old Gen"))
		add("jvm.thread.count", "{thread}", UpDown, float64(48+int(12*load)), attribute.String("jvm.thread.state", "runnable"), attribute.Bool("jvm.thread.daemon", true))
		add("jvm.cpu.recent_utilization", "1", Gauge, cpu/limit)
		add("jvm.cpu.time", "s", Counter, cpu)
	case "go":
		add("go.memory.used", "By", UpDown, used*0.55, attribute.String("go.memory.type", "other"))
		add("go.goroutine.count", "{goroutine}", UpDown, float64(60+int(50*load)))
		add("go.memory.allocated", "By", Counter, 24e6*load)
		add("go.processor.limit", "{thread}", UpDown, 2)
	case "nodejs":
		add("nodejs.eventloop.utilization", "1", Gauge, min(0.98, cpu))
		add("nodejs.eventloop.delay.p99", "s", Gauge, 0.011*(1+cpu))
		add("v8js.memory.heap.used", "By", UpDown, used*0.5, attribute.String("v8js.heap.space.name", "old_space"))
	case "python":
		add("cpython.gc.collections", "{collection}", Counter, 0.7*load, attribute.Int("cpython.gc.generation", 0))
		add("process.thread.count", "{thread}", UpDown, 9)
	}
	m.pool(in, now, load, wobble, add)
	return src
}

// suffers is 1 for the service that the N+1 release is of.
func (m *Model) suffers(s *blueprint.Service) float64 {
	if s.Name == "checkout-api" {
		return 1
	}
	return 0
}

// pool reads the connection pool of a pod: of 20 connections, nearly all are in use while the N+1 bug is out.
func (m *Model) pool(in *Instance, now incidents, load, wobble float64, add func(string, string, Shape, float64, ...attribute.KeyValue)) {
	if in.Service == "edge-gateway" || in.Service == "search-api" {
		return // no database behind these
	}
	const size = 20
	name := attribute.String("db.client.connection.pool.name", "shop@pg-primary:5432")
	state := func(s string) attribute.KeyValue { return attribute.String("db.client.connection.state", s) }
	used := float64(int(size * min(1, 0.24*load*(1+0.2*wobble)+0.66*now.rollout*m.suffers(in.service))))
	pending, timeouts := 0.0, 0.0
	if used >= 0.85*size {
		pending, timeouts = float64(int(4+3*wobble)), 0.12
	}
	add("db.client.connection.count", "{connection}", UpDown, used, name, state("used"))
	add("db.client.connection.count", "{connection}", UpDown, size-used, name, state("idle"))
	add("db.client.connection.max", "{connection}", UpDown, size, name)
	add("db.client.connection.idle.max", "{connection}", UpDown, size, name)
	add("db.client.connection.pending_requests", "{request}", UpDown, pending, name)
	add("db.client.connection.timeouts", "{timeout}", Counter, timeouts, name)
}
