-- The identity of a series. series_id is xxhash64 of the sorted label pairs, unique within (metric, service).
CREATE TABLE series
(
    metric    LowCardinality(String),
    service   LowCardinality(String),
    series_id UInt64 CODEC(ZSTD(1)),
    labels    SimpleAggregateFunction(any, Map(String, String)) CODEC(ZSTD(1)),
    kind      Enum8('unknown' = 0, 'gauge' = 1, 'counter' = 2, 'delta' = 3, 'histogram' = 4, 'delta_histogram' = 5, 'summary' = 6),
    bounds    SimpleAggregateFunction(any, Array(Float64)) CODEC(ZSTD(1)),
    first     SimpleAggregateFunction(min, DateTime('UTC')) CODEC(ZSTD(1)),
    last      SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (metric, service, series_id, kind)
SETTINGS {{merge_tree}};

CREATE TABLE postings
(
    name      LowCardinality(String),
    value     String CODEC(ZSTD(1)),
    metric    LowCardinality(String),
    series_id UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (name, value, metric, series_id)
SETTINGS {{merge_tree}};

CREATE MATERIALIZED VIEW postings_mv TO postings AS
SELECT label.1 AS name, label.2 AS value, metric, series_id
FROM series
ARRAY JOIN CAST(labels, 'Array(Tuple(LowCardinality(String), String))') AS label;

-- One row is one series, two hours and one start timestamp; merges append. off is milliseconds since bucket.
CREATE TABLE samples
(
    metric    LowCardinality(String),
    service   LowCardinality(String),
    bucket    DateTime('UTC') CODEC(Delta, ZSTD(1)),
    series_id UInt64 CODEC(ZSTD(1)),
    st        Int64 CODEC(ZSTD(1)),
    t1        SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    off       SimpleAggregateFunction(groupArrayArray, Array(UInt32)) CODEC(Delta, ZSTD(1)),
    value     SimpleAggregateFunction(groupArrayArray, Array(Float64)) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(bucket)
ORDER BY (metric, service, bucket, series_id, st)
SETTINGS index_granularity = 256, {{merge_tree}};

-- One row per histogram sample. schema -53 is an explicit-bounds histogram whose bounds are in the series row
-- (idx counts those buckets from 0); other schemas are exponential, as in Prometheus native histograms.
CREATE TABLE histograms
(
    metric         LowCardinality(String),
    service        LowCardinality(String),
    bucket         DateTime('UTC') CODEC(Delta, ZSTD(1)),
    series_id      UInt64 CODEC(ZSTD(1)),
    st             Int64 CODEC(ZSTD(1)),
    ts             DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    schema         Int8 CODEC(ZSTD(1)),
    zero_threshold Float64 CODEC(ZSTD(1)),
    zero_count     UInt64 CODEC(ZSTD(1)),
    count          UInt64 CODEC(Delta, ZSTD(1)),
    sum            Float64 CODEC(Delta, ZSTD(1)),
    min            Float64 CODEC(ZSTD(1)),
    max            Float64 CODEC(ZSTD(1)),
    stale          Bool CODEC(ZSTD(1)),
    pos_idx        Array(Int32) CODEC(ZSTD(1)),
    pos_count      Array(UInt64) CODEC(ZSTD(1)),
    neg_idx        Array(Int32) CODEC(ZSTD(1)),
    neg_count      Array(UInt64) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(bucket)
ORDER BY (metric, service, bucket, series_id, st, ts)
SETTINGS index_granularity = 1024, {{merge_tree}};

-- The buckets of a histogram may have exemplars of the same moment, so only equal ones replace each other.
CREATE TABLE exemplars
(
    metric     LowCardinality(String),
    service    LowCardinality(String),
    series_id  UInt64 CODEC(ZSTD(1)),
    ts         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    value      Float64 CODEC(ZSTD(1)),
    trace_id   FixedString(16) CODEC(ZSTD(1)),
    span_id    FixedString(8) CODEC(ZSTD(1)),
    attributes Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(ts)
ORDER BY (metric, service, series_id, ts, value, span_id)
SETTINGS {{merge_tree}};

-- What a metric family is, in both spellings. One row per distinct description, so conflicts stay visible.
CREATE TABLE metadata
(
    metric      LowCardinality(String),
    otel_name   LowCardinality(String),
    type        LowCardinality(String),
    unit        LowCardinality(String),
    help        String CODEC(ZSTD(1)),
    temporality LowCardinality(String),
    scope       LowCardinality(String),
    last_seen   DateTime('UTC') CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(last_seen)
ORDER BY (metric, otel_name, scope, type, unit, temporality)
SETTINGS {{merge_tree}};
