SELECT sumIf(1, (error))
FROM spans
WHERE service = {p0:String}
  AND (kind IN ('server', 'consumer') OR parent_id = toFixedString('', 8))
  AND slice >= toDateTime({p1:UInt32}, 'UTC')
  AND slice < toDateTime({p2:UInt32}, 'UTC')

SELECT sumIf(1, (error))
FROM red_10s
WHERE service = {p0:String}
  AND inbound
  AND slice >= toDateTime({p1:UInt32}, 'UTC')
  AND slice < toDateTime({p2:UInt32}, 'UTC')

SELECT sumIf(1, (error OR intDiv(http_status, 100) IN {p13:Array(UInt16)} OR http_status IN {p14:Array(UInt16)} OR multiIf(mapContains(attributes, {p15:String}), attributes[{p15:String}], mapContains(attributes, {p16:String}), attributes[{p16:String}], '') IN {p17:Array(String)} OR duration > {p18:UInt64} OR (if(http_status = 0, '', toString(http_status)) = {p19:String} AND r2 = {p21:String})))
FROM spans
ANY LEFT JOIN
(
  SELECT resource_id, multiIf(mapContains(attributes, {p5:String}), attributes[{p5:String}], mapContains(attributes, {p6:String}), attributes[{p6:String}], '') AS r0, multiIf(mapContains(attributes, {p10:String}), attributes[{p10:String}], '') AS r1, multiIf(mapContains(attributes, {p20:String}), attributes[{p20:String}], '') AS r2
  FROM resources
  WHERE service = {p24:String}
) AS r USING (resource_id)
WHERE service = {p0:String}
  AND env = {p1:String}
  AND toString(kind) IN {p2:Array(String)}
  AND (match(operation, {p3:String}) OR operation IN {p4:Array(String)})
  AND match(multiIf(mapContains(attributes, {p7:String}), attributes[{p7:String}], mapContains(attributes, {p8:String}), attributes[{p8:String}], r0), {p9:String})
  AND NOT match(r1, {p11:String})
  AND version != {p12:String}
  AND slice >= toDateTime({p22:UInt32}, 'UTC')
  AND slice < toDateTime({p23:UInt32}, 'UTC')

SELECT sumIf(1, (error OR status IN {p6:Array(String)}))
FROM red_10s
WHERE service = {p0:String}
  AND env = {p1:String}
  AND toString(kind) IN {p2:Array(String)}
  AND (match(operation, {p3:String}) OR operation IN {p4:Array(String)})
  AND version != {p5:String}
  AND slice >= toDateTime({p7:UInt32}, 'UTC')
  AND slice < toDateTime({p8:UInt32}, 'UTC')

