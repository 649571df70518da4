SELECT k0, k1, sum(s), sum(n), sum(e), sum(d), formatRow('RowBinary', groupArray((i, n)))
FROM
(
  SELECT service AS k0, operation AS k1, bucket AS i, sum(count) AS n, sumIf(spans, nth = 1) AS s, sumIf(count, error) AS e, sumIf(duration, nth = 1) AS d
  FROM (SELECT * FROM red_10s WHERE slice >= toDateTime({p0:UInt32}, 'UTC')
  AND slice < toDateTime({p1:UInt32}, 'UTC')
  AND env = {p2:String}
  AND service = {p3:String}
  AND (status = {p4:String})
  AND version != {p5:String}
  AND inbound AND NOT (slice >= toDateTime({p7:UInt32}, 'UTC') AND slice < toDateTime(least({p8:UInt32}, intDiv(toUnixTimestamp(now()) - 120, {p6:UInt32}) * {p6:UInt32}), 'UTC'))
  UNION ALL
  SELECT * FROM red_1h WHERE slice >= toDateTime({p0:UInt32}, 'UTC')
  AND slice < toDateTime({p1:UInt32}, 'UTC')
  AND env = {p2:String}
  AND service = {p3:String}
  AND (status = {p4:String})
  AND version != {p5:String}
  AND inbound AND slice >= toDateTime({p7:UInt32}, 'UTC') AND slice < toDateTime(least({p8:UInt32}, intDiv(toUnixTimestamp(now()) - 120, {p6:UInt32}) * {p6:UInt32}), 'UTC'))
  ARRAY JOIN latency.1 AS bucket, latency.2 AS count, arrayEnumerate(latency.1) AS nth
  GROUP BY k0, k1, i
)
GROUP BY k0, k1
