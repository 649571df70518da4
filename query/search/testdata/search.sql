slice IN {p0:Array(UInt32)}
  AND ts >= fromUnixTimestamp64Nano({p1:Int64}, 'UTC')
  AND ts < fromUnixTimestamp64Nano({p2:Int64}, 'UTC')
  AND (kind IN ('server', 'consumer') OR parent_id = toFixedString('', 8))
  AND error
  AND duration >= {p3:UInt64}
  AND env = {p4:String}
  AND service = {p5:String}
  AND (intDiv(http_status, 100) = {p6:UInt16})
  AND version != {p7:String}
  AND ((attributes[{p8:String}] = {p9:String}) OR (NOT mapContains(attributes, {p8:String}) AND resource_id IN (SELECT resource_id FROM resources WHERE (attributes[{p8:String}] = {p9:String}))))
  AND resource_id IN (SELECT resource_id FROM resources WHERE (match(attributes[{p10:String}], {p11:String})))
  AND NOT ((attributes[{p12:String}] = {p14:String} OR attributes[{p13:String}] = {p15:String}) OR (NOT mapContains(attributes, {p12:String}) AND NOT mapContains(attributes, {p13:String}) AND resource_id IN (SELECT resource_id FROM resources WHERE (attributes[{p12:String}] = {p14:String} OR attributes[{p13:String}] = {p15:String}))))
  AND duration < {p16:UInt64}
  AND http_status >= {p17:Float64}
  AND ((ifNull(toFloat64OrNull(attributes[{p18:String}]) > {p19:Float64}, 0)) OR (NOT mapContains(attributes, {p18:String}) AND resource_id IN (SELECT resource_id FROM resources WHERE (ifNull(toFloat64OrNull(attributes[{p18:String}]) > {p19:Float64}, 0)))))
