-- One row per span. Inside a 10 s slice the rows of a service stand together, by trace: searches read one service's
-- granules, and ids, operations and attribute values compress against their neighbours. attributes holds span attributes only: the resource is
-- stored once in resources. attribute_types has one letter per attribute in map order
-- (s string, b bool, i int, d double, y bytes, j array or kvlist as JSON, n empty).
CREATE TABLE spans
(
    slice           DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ts              DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    duration        UInt64 CODEC(ZSTD(1)),
    trace_id        FixedString(16) CODEC(ZSTD(1)),
    span_id         FixedString(8) CODEC(NONE),
    parent_id       FixedString(8) CODEC(ZSTD(1)),
    env             LowCardinality(String),
    service         LowCardinality(String),
    version         LowCardinality(String),
    operation       LowCardinality(String),
    name            LowCardinality(String),
    kind            Enum8('internal' = 1, 'server' = 2, 'client' = 3, 'producer' = 4, 'consumer' = 5) CODEC(ZSTD(1)),
    status          Enum8('unset' = 0, 'ok' = 1, 'error' = 2) CODEC(ZSTD(1)),
    status_message  String CODEC(ZSTD(1)),
    error           Bool CODEC(ZSTD(1)),
    error_type      LowCardinality(String),
    http_status     UInt16 CODEC(ZSTD(1)),
    peer            LowCardinality(String),
    peer_type       LowCardinality(String),
    weight          Float64 CODEC(ZSTD(1)),
    resource_id     UInt64 CODEC(ZSTD(1)),
    scope           LowCardinality(String),
    attributes      Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    attribute_types LowCardinality(String),
    events          String CODEC(ZSTD(1)),
    links           String CODEC(ZSTD(1)),
    trace_state     String CODEC(ZSTD(1)),
    extra           LowCardinality(String),
    -- Lets a search for a rare value (a user, an order) skip the granules without it.
    INDEX attribute_values mapValues(attributes) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(slice)
ORDER BY (slice, service, trace_id)
SETTINGS {{merge_tree}};

-- Where in time the spans of a trace are: the way from a bare trace id to its granules.
CREATE TABLE trace_index
(
    trace_id FixedString(16) CODEC(ZSTD(1)),
    slice    DateTime('UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(slice)
ORDER BY (trace_id, slice)
SETTINGS {{merge_tree}};

-- RED by 10 s slice of span start time. latency is a sparse histogram: index i counts durations in
-- (2^((i-1)/8), 2^(i/8)] nanoseconds, so the geometric middle of a bucket is within 4.5 % of any value in it.
-- requests, duration and latency are adjusted for sampling; spans is the raw count. inbound says that the span is work
-- that a service was asked for (a server's, a consumer's, or a root of any kind): nearly every question is about those
-- rows, a third of all in the demo, so they stand together.
CREATE TABLE red_10s
(
    inbound   Bool DEFAULT kind IN ('server', 'consumer') OR root CODEC(ZSTD(1)),
    slice     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    service   LowCardinality(String),
    env       LowCardinality(String),
    version   LowCardinality(String),
    operation LowCardinality(String),
    kind      Enum8('internal' = 1, 'server' = 2, 'client' = 3, 'producer' = 4, 'consumer' = 5) CODEC(ZSTD(1)),
    root      Bool CODEC(ZSTD(1)),
    status    LowCardinality(String),
    error     Bool CODEC(ZSTD(1)),
    spans     SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    requests  SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    duration  SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    latency   SimpleAggregateFunction(sumMap, Tuple(Array(Int16), Array(Float64))) CODEC(ZSTD(1)),
    slowest   SimpleAggregateFunction(max, Tuple(UInt64, FixedString(16))) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(slice)
ORDER BY (inbound, slice, service, env, version, operation, kind, root, status, error)
SETTINGS {{merge_tree}};

-- The coarser tiers, for long ranges. They get the same counts as red_10s, some 30 s later.
CREATE TABLE red_5m AS red_10s
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(slice)
ORDER BY (inbound, slice, service, env, version, operation, kind, root, status, error)
SETTINGS {{merge_tree}};

CREATE TABLE red_1h AS red_10s
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(slice)
ORDER BY (inbound, slice, service, env, version, operation, kind, root, status, error)
SETTINGS {{merge_tree}};

-- Calls between services and to inferred peers (databases, caches, queues, third parties), one slice a minute,
-- computed once from spans when the slice is closed.
CREATE TABLE edges
(
    slice       DateTime('UTC') CODEC(Delta, ZSTD(1)),
    env         LowCardinality(String),
    client      LowCardinality(String),
    server      LowCardinality(String),
    server_type LowCardinality(String), -- service, database, cache, queue, external
    calls       Float64 CODEC(ZSTD(1)),
    errors      Float64 CODEC(ZSTD(1)),
    duration    Float64 CODEC(ZSTD(1)),
    latency     Tuple(Array(Int16), Array(Float64)) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(slice)
ORDER BY (slice, client, server, server_type, env)
SETTINGS {{merge_tree}};

-- Every resource once. attributes are all resource attributes; attribute_types as in spans.
CREATE TABLE resources
(
    resource_id     UInt64 CODEC(ZSTD(1)),
    env             LowCardinality(String),
    service         LowCardinality(String),
    version         LowCardinality(String),
    instance        String CODEC(ZSTD(1)),
    language        LowCardinality(String),
    attributes      Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    attribute_types LowCardinality(String),
    schema_url      LowCardinality(String),
    last_seen       DateTime('UTC') CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(last_seen)
ORDER BY resource_id
SETTINGS {{merge_tree}};

-- The first and last time a service.version was seen.
CREATE TABLE deployments
(
    service    LowCardinality(String),
    env        LowCardinality(String),
    version    LowCardinality(String),
    first_seen SimpleAggregateFunction(min, DateTime('UTC')) CODEC(ZSTD(1)),
    last_seen  SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (service, env, version)
SETTINGS {{merge_tree}};
