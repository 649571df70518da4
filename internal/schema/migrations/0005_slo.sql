-- Definitions of SLOs as they were written, every revision. The newest revision of a name holds.
CREATE TABLE slo_objects
(
    kind     LowCardinality(String), -- SLO, SLI, Service, DataSource, AlertPolicy, AlertCondition, AlertNotificationTarget
    name     String,
    revision UInt64,
    at       DateTime64(3, 'UTC'),
    author   String,
    source   String,                 -- file:PATH, api or ui
    text     String,                 -- YAML
    deleted  Bool
)
ENGINE = ReplacingMergeTree
ORDER BY (kind, name, revision)
SETTINGS {{merge_tree}};

-- What the write path counts. An indicator that nothing needs any more is retired and never comes back under its id.
CREATE TABLE slo_indicators
(
    indicator  UInt64,
    definition String,                -- JSON of sli.Indicator, or of a computed one
    since      DateTime('UTC'),       -- first slot that the write path counts
    retired    Bool,
    updated    DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated)
ORDER BY indicator
SETTINGS {{merge_tree}};

-- How far the time before an indicator's first slot is counted: everything from done to since, downward to wanted.
CREATE TABLE slo_backfills
(
    indicator UInt64,
    wanted    DateTime('UTC'),
    done      DateTime('UTC'),
    events    UInt64,
    finished  Bool,
    error     String,
    updated   DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated)
ORDER BY indicator
SETTINGS {{merge_tree}};

-- Counts in the order in which they were made: how evaluating nodes follow. Batches of a node are numbered upward.
-- grp is empty for all events of an indicator. at is the same however often a batch is inserted, for only then is it
-- recognised in its partition.
CREATE TABLE slo_journal
(
    node      UInt64 CODEC(ZSTD(1)),
    batch     UInt64 CODEC(Delta, ZSTD(1)),
    at        DateTime('UTC') CODEC(Delta, ZSTD(1)), -- of the batch
    indicator UInt64 CODEC(ZSTD(1)),
    grp       LowCardinality(String),
    slice     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    bad       Int64 CODEC(ZSTD(1)),
    total     Int64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(at)
ORDER BY (node, batch, indicator, grp, slice)
SETTINGS {{merge_tree}};

-- The same counts, additive, by slot of event time.
CREATE TABLE slo_slots_10s
(
    indicator UInt64 CODEC(ZSTD(1)),
    grp       LowCardinality(String),
    slice     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    bad       Int64 CODEC(ZSTD(1)),
    total     Int64 CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree((bad, total))
PARTITION BY toDate(slice)
ORDER BY (indicator, grp, slice)
SETTINGS {{merge_tree}};

CREATE TABLE slo_slots_5m AS slo_slots_10s
ENGINE = SummingMergeTree((bad, total))
PARTITION BY toYYYYMM(slice)
ORDER BY (indicator, grp, slice)
SETTINGS {{merge_tree}};

CREATE TABLE slo_slots_1h AS slo_slots_10s
ENGINE = SummingMergeTree((bad, total))
PARTITION BY toYYYYMM(slice)
ORDER BY (indicator, grp, slice)
SETTINGS {{merge_tree}};

-- Changes of counts that the write path does not make, each whole before any of it is applied. Only the newest of each node
-- of the journal is of use; a second row says that it is done.
CREATE TABLE slo_plans
(
    node      UInt64,
    version   UInt64,                 -- rises
    batch     UInt64,
    done      Bool,
    at        DateTime('UTC'),
    indicator Array(UInt64),
    grp       Array(String),
    slice     Array(DateTime('UTC')),
    bad       Array(Int64),
    total     Array(Int64)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY node
SETTINGS {{merge_tree}};

-- Slots before an indicator's first one for which spans came late: they are counted again in SQL. A row with seen says
-- that so many of the slot's other rows have been heard.
CREATE TABLE slo_late
(
    indicator UInt64,
    slice     DateTime('UTC'),
    at        DateTime('UTC'),
    seen      UInt64 DEFAULT 0
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(slice)
ORDER BY (indicator, slice, at)
SETTINGS {{merge_tree}};

-- Stretches of time that do not count for an SLO, by decision. A withdrawn one has a newer row.
CREATE TABLE slo_corrections
(
    id        UInt64,
    slo       String,
    start     DateTime('UTC'),
    end       DateTime('UTC'),
    reason    String,
    author    String,
    at        DateTime64(3, 'UTC'),
    withdrawn Bool
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (slo, id)
SETTINGS {{merge_tree}};

-- What the rules of SLOs did: every change of a tier's state, and every time that one was kept from changing, with the
-- numbers that decided.
CREATE TABLE slo_events
(
    slo         String,
    objective   LowCardinality(String),
    grp         String,
    tier        LowCardinality(String),
    severity    LowCardinality(String),
    state       LowCardinality(String), -- pending, lapsed, firing, resolved, held, guarded, no_data, data, budget
    at          DateTime('UTC') CODEC(Delta, ZSTD(1)), -- of the evaluation, in event time
    seen        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)), -- when it was made
    burn_long   Float64,
    burn_short  Float64,
    threshold   Float64,
    bad_long    UInt64,
    total_long  UInt64,
    bad_short   UInt64,
    total_short UInt64,
    budget_left Float64,
    coverage    Float64,
    reason      String
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (slo, objective, grp, tier, at, state)
SETTINGS {{merge_tree}};

-- The state of each rule after its last change, so that a restart goes on where it was.
CREATE TABLE slo_states
(
    slo       String,
    objective String,
    grp       String,
    tier      LowCardinality(String),
    phase     LowCardinality(String), -- inactive, pending, firing
    since     DateTime('UTC'),
    keep      DateTime('UTC'),        -- since when the condition of a firing tier does not hold; 1970 while it does
    held      Bool,                   -- told that it is kept because there are no events
    guarded   Bool,                   -- told that it is kept from firing by too few events
    at        DateTime('UTC'),
    rule      UInt64                  -- of the definition that the state belongs to
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (slo, objective, grp, tier)
SETTINGS {{merge_tree}};
