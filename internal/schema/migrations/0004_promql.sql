-- Compaction moves whole buckets out of samples, so a bucket is a partition. A repeated migration begins again with what
-- is in samples_by_day, or with samples when that is gone.
RENAME TABLE IF EXISTS samples TO samples_by_day;

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
PARTITION BY bucket
ORDER BY (metric, service, bucket, series_id, st)
SETTINGS index_granularity = 256, {{merge_tree}};

TRUNCATE TABLE samples SETTINGS max_table_size_to_drop = 0;

INSERT INTO samples
SELECT metric, service, bucket, series_id, st, t1, off, value
FROM samples_by_day
SETTINGS max_partitions_per_insert_block = 0, insert_deduplicate = 0;

DROP TABLE samples_by_day SETTINGS max_table_size_to_drop = 0;

-- Float samples of closed buckets, packed. A series may have several rows in a bucket, and rows may repeat samples.
-- t has what follows the first delta, as deltas of deltas; v the differences of mantissas of value * 10^scale from v0 on,
-- or, where scale is -1, the XOR of neighbouring bit patterns. The entries of both have one width, 0 to 8 bytes, and stand
-- as byte planes, the lowest first; signed ones are zigzag.
CREATE TABLE chunks
(
    metric    LowCardinality(String),
    service   LowCardinality(String),
    bucket    DateTime('UTC') CODEC(Delta, ZSTD(1)),
    series_id UInt64 CODEC(ZSTD(1)),
    st        Int64 CODEC(ZSTD(1)),
    n         UInt32 CODEC(ZSTD(1)), -- samples
    t0        UInt32 CODEC(ZSTD(1)), -- of the first sample, in milliseconds since bucket
    dt        UInt32 CODEC(ZSTD(1)), -- from the first to the second, 0 when there is one
    t         String CODEC(ZSTD(1)),
    scale     Int8 CODEC(ZSTD(1)),
    v0        Int64 CODEC(ZSTD(1)),  -- mantissa or bit pattern of the first value
    v         String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(bucket)
ORDER BY (metric, service, bucket, series_id, st)
SETTINGS index_granularity = 256, {{merge_tree}};

-- Prometheus' native histograms may count in fractions. hint says how a row stands to the one before it in its series.
ALTER TABLE histograms
    MODIFY COLUMN zero_count Float64 CODEC(ZSTD(1)),
    MODIFY COLUMN count Float64 CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN pos_count Array(Float64) CODEC(ZSTD(1)),
    MODIFY COLUMN neg_count Array(Float64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS hint Enum8('unknown' = 0, 'reset' = 1, 'not_reset' = 2, 'gauge' = 3) DEFAULT 'unknown' CODEC(ZSTD(1));

-- One row per float sample, for SQL by hand.
CREATE VIEW samples_flat AS
SELECT metric, service, series_id, toDateTime64(bucket, 3, 'UTC') + toIntervalMillisecond(milliseconds) AS ts, number AS value
FROM
(
    SELECT metric, service, series_id, bucket, off AS o, value AS x
    FROM samples
    UNION ALL
    SELECT
        metric, service, series_id, bucket,
        arrayMap(p -> toUInt32(p), arrayCumSum(arrayConcat([toInt64(t0)], if(n < 2, [], arrayCumSum(arrayConcat([toInt64(dt)], second)))))) AS o,
        arrayMap(p -> if(scale < 0, reinterpretAsFloat64(p), reinterpretAsInt64(p) / intExp10(greatest(scale, 0))),
            if(scale < 0, bits, arrayMap(p -> reinterpretAsUInt64(p), arrayCumSum(arrayConcat([v0], mantissas))))) AS x
    FROM
    (
        WITH
            (planes, entries) -> if(entries < 1, [], arrayMap(e -> arraySum(arrayMap(
                p -> bitShiftLeft(toUInt64(reinterpretAsUInt8(substring(planes, 1 + e + p * entries, 1))), 8 * p),
                range(toUInt64(intDivOrZero(length(planes), entries))))), range(toUInt64(entries)))) AS unpack,
            arrayMap(z -> bitXor(toInt64(bitShiftRight(z, 1)), -toInt64(bitAnd(z, 1))), unpack(t, toInt64(n) - 2)) AS second,
            unpack(v, toInt64(n) - 1) AS differences
        SELECT
            metric, service, series_id, bucket, n, t0, dt, scale, v0, second,
            arrayMap(z -> bitXor(reinterpretAsInt64(bitShiftRight(z, 1)), -toInt64(bitAnd(z, 1))), differences) AS mantissas,
            -- The running XOR, by doubling the stretch that each entry spans.
            arrayFold((all, step) -> arrayMap((a, b) -> bitXor(a, b), all,
                    arrayConcat(arrayWithConstant(least(step, length(all)), toUInt64(0)), arraySlice(all, 1, greatest(toInt64(length(all)) - toInt64(step), 0)))),
                if(scale < 0, arrayMap(k -> bitShiftLeft(toUInt64(1), k), range(toUInt64(ceil(log2(n))))), []),
                arrayConcat([reinterpretAsUInt64(v0)], differences)) AS bits
        FROM chunks
    )
)
ARRAY JOIN o AS milliseconds, x AS number;
