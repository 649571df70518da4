-- traces_span_duration_seconds, a chart
SELECT service AS ka, env AS kb, version AS kc, operation AS kd, toString(kind) AS ke, if(error, 'error', 'ok') AS kf, if(status IN ('ok', 'error'), '', status) AS kg, formatRow('RowBinary', (groupArray(cell), groupArray(n), groupArray(d), groupArray(size), groupArrayArray(indexes), groupArrayArray(counts)))
FROM
(
  SELECT service, env, version, operation, kind, status, error, toUInt32(intDiv((toInt64(toUnixTimestamp(slice)) - {p5:Int64}), {p6:Int64}) + 1) AS cell, requests AS n, duration AS d,
    toUInt16(length(latency.1)) AS size, latency.1 AS indexes, latency.2 AS counts
  FROM (SELECT * FROM red_10s WHERE slice >= toDateTime({p0:UInt32}, 'UTC')
  AND slice < toDateTime({p1:UInt32}, 'UTC')
  AND service IN ({p2:Array(String)})
  AND toString(kind) = {p3:String}
  AND inbound
  AND NOT match(operation, {p4:String}))
)
GROUP BY service, env, version, operation, kind, status, error;
--   p0 = 1795254900
--   p1 = 1795258800
--   p2 = [shop/web web]
--   p3 = server
--   p4 = ^(?s:GET /a.*)$
--   p5 = 1795254900
--   p6 = 60
-- traces_span_duration_seconds, windows with gaps
SELECT service AS ka, env AS kb, version AS kc, operation AS kd, toString(kind) AS ke, if(error, 'error', 'ok') AS kf, if(status IN ('ok', 'error'), '', status) AS kg, formatRow('RowBinary', (groupArray(cell), groupArray(n), groupArray(d), groupArray(size), groupArrayArray(indexes), groupArrayArray(counts)))
FROM
(
  SELECT service, env, version, operation, kind, status, error, toUInt32(intDiv((toInt64(toUnixTimestamp(slice)) - {p2:Int64}), {p5:Int64}) + 1) AS cell, requests AS n, duration AS d,
    toUInt16(length(latency.1)) AS size, latency.1 AS indexes, latency.2 AS counts
  FROM (SELECT * FROM red_10s WHERE slice >= toDateTime({p0:UInt32}, 'UTC')
  AND slice < toDateTime({p1:UInt32}, 'UTC')
  AND modulo((toInt64(toUnixTimestamp(slice)) - {p2:Int64}), {p3:Int64}) < {p4:Int64} AND NOT (slice >= toDateTime({p7:UInt32}, 'UTC') AND slice < toDateTime(least({p8:UInt32}, intDiv(toUnixTimestamp(now()) - 120, {p6:UInt32}) * {p6:UInt32}), 'UTC'))
  UNION ALL
  SELECT * FROM red_5m WHERE slice >= toDateTime({p0:UInt32}, 'UTC')
  AND slice < toDateTime({p1:UInt32}, 'UTC')
  AND modulo((toInt64(toUnixTimestamp(slice)) - {p2:Int64}), {p3:Int64}) < {p4:Int64} AND slice >= toDateTime({p7:UInt32}, 'UTC') AND slice < toDateTime(least({p8:UInt32}, intDiv(toUnixTimestamp(now()) - 120, {p6:UInt32}) * {p6:UInt32}), 'UTC'))
)
GROUP BY service, env, version, operation, kind, status, error;
--   p0 = 1795254900
--   p1 = 1795341600
--   p2 = 1795254900
--   p3 = 3600
--   p4 = 300
--   p5 = 300
--   p6 = 300
--   p7 = 1795254900
--   p8 = 1795341600
-- traces_spanmetrics_calls_total, a month
SELECT service AS ka, env AS kb, version AS kc, operation AS kd, concat('SPAN_KIND_', upper(toString(kind))) AS ke, if(error, 'STATUS_CODE_ERROR', 'STATUS_CODE_UNSET') AS kf, formatRow('RowBinary', (groupArray(cell), groupArray(n)))
FROM
(
  SELECT service, env, version, operation, kind, error, toUInt32(intDiv((toInt64(toUnixTimestamp(slice)) - {p3:Int64}), {p4:Int64}) + 1) AS cell, sum(requests) AS n
  FROM (SELECT * FROM red_10s WHERE slice >= toDateTime({p0:UInt32}, 'UTC')
  AND slice < toDateTime({p1:UInt32}, 'UTC')
  AND if(error, 'STATUS_CODE_ERROR', 'STATUS_CODE_UNSET') IN ({p2:Array(String)}) AND NOT (slice >= toDateTime({p6:UInt32}, 'UTC') AND slice < toDateTime(least({p7:UInt32}, intDiv(toUnixTimestamp(now()) - 120, {p5:UInt32}) * {p5:UInt32}), 'UTC'))
  UNION ALL
  SELECT * FROM red_1h WHERE slice >= toDateTime({p0:UInt32}, 'UTC')
  AND slice < toDateTime({p1:UInt32}, 'UTC')
  AND if(error, 'STATUS_CODE_ERROR', 'STATUS_CODE_UNSET') IN ({p2:Array(String)}) AND slice >= toDateTime({p6:UInt32}, 'UTC') AND slice < toDateTime(least({p7:UInt32}, intDiv(toUnixTimestamp(now()) - 120, {p5:UInt32}) * {p5:UInt32}), 'UTC'))
  GROUP BY service, env, version, operation, kind, error, cell
)
GROUP BY service, env, version, operation, kind, error;
--   p0 = 1795251600
--   p1 = 1797847200
--   p2 = [STATUS_CODE_ERROR STATUS_CODE_OK]
--   p3 = 1795251600
--   p4 = 3600
--   p5 = 3600
--   p6 = 1795251600
--   p7 = 1797847200
-- traces_service_graph_request_server_seconds, now
SELECT client AS ka, server AS kb, multiIf(server_type IN ('database', 'cache'), 'database', server_type = 'queue', 'messaging_system', server_type = 'external', 'virtual_node', '') AS kc, env AS kd, formatRow('RowBinary', (groupArray(cell), groupArray(n), groupArray(d), groupArray(size), groupArrayArray(indexes), groupArrayArray(counts)))
FROM
(
  SELECT client, server, server_type, env, toUInt32(intDiv((toInt64(toUnixTimestamp(slice)) - {p3:Int64}), {p4:Int64}) + 1) AS cell, calls AS n, duration AS d,
    toUInt16(length(latency.1)) AS size, latency.1 AS indexes, latency.2 AS counts
  FROM (SELECT * FROM edges FINAL WHERE slice >= toDateTime({p0:UInt32}, 'UTC')
  AND slice < toDateTime({p1:UInt32}, 'UTC')
  AND multiIf(server_type IN ('database', 'cache'), 'database', server_type = 'queue', 'messaging_system', server_type = 'external', 'virtual_node', '') = {p2:String})
)
GROUP BY client, server, server_type, env;
--   p0 = 1795254900
--   p1 = 1795255200
--   p2 = 
--   p3 = 1795254900
--   p4 = 60
