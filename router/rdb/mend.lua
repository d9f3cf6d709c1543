-- mend sets right what is derived, where no event came since it was compared: after the event R.head.
-- KEYS from 14 on those that R names by number: R.h [[key, field, value or false]] of hashes, R.z [[key, member, score or false]] of sorted sets,
-- R.n [[key, field, number]] what hashes gain, R.leads [[key, version, fields]], R.meta fields of meta. Returns JSON {} or {conflict: true}.
if seq ~= R.head then return '{"conflict":true}' end
disband() -- it is made anew when it is next needed
for _, x in ipairs(R.h) do
  if x[3] then redis.call('HSET', KEYS[13 + x[1]], x[2], x[3]) else redis.call('HDEL', KEYS[13 + x[1]], x[2]) end
end
for _, x in ipairs(R.n) do redis.call('HINCRBY', KEYS[13 + x[1]], x[2], x[3]) end
for _, x in ipairs(R.z) do
  if x[3] then redis.call('ZADD', KEYS[13 + x[1]], x[3], x[2]) else redis.call('ZREM', KEYS[13 + x[1]], x[2]) end
end
for _, x in ipairs(R.leads) do write(KEYS[13 + x[1]], x[2], x[3]) end
for name, v in pairs(R.meta) do redis.call('HSET', META, name, v) end
redis.call('HSET', META, 'floor', floor, 'line', line)
return '{}'
