CREATE TABLE logs
(
    slice           DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ts              DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    observed        DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    trace_id        FixedString(16) CODEC(ZSTD(1)),
    span_id         FixedString(8) CODEC(ZSTD(1)),
    env             LowCardinality(String),
    service         LowCardinality(String),
    severity        UInt8 CODEC(ZSTD(1)),
    severity_text   LowCardinality(String),
    event_name      LowCardinality(String),
    body            String CODEC(ZSTD(1)),
    body_type       LowCardinality(String),
    resource_id     UInt64 CODEC(ZSTD(1)),
    scope           LowCardinality(String),
    attributes      Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    attribute_types LowCardinality(String),
    extra           LowCardinality(String)
)
ENGINE = MergeTree
PARTITION BY toDate(slice)
ORDER BY (slice, service, ts)
SETTINGS {{merge_tree}};
