-- park notes a message without a lead.
-- KEYS 14 token shard 15 list of its fate 16 park 17 raw 18 kept. ARGV 2 what is known of it, 3 token, 4 place, 5 raw bytes or ''
-- R.keep is how long in ms, R.cap how many of the list (0: any number), R.budget how many bytes of raw messages are kept at a time.
-- Returns JSON {d, fate, again}: d is R.fate, or replay where the message was decided in another place.
local known = redis.call('HGET', KEYS[14], ARGV[3])
if known then
  local d, place, lead = string.match(known, '^(%a)(%S*) (.*)$')
  local words = {n = 'new', t = 'touch', d = 'duplicate', o = 'other', q = 'quarantined'}
  local again = place == ARGV[4]
  return cjson.encode({d = again and words[d] or 'replay', fate = words[d], again = again, lead = lead})
end
redis.call('HSET', KEYS[14], ARGV[3], string.sub(R.fate, 1, 1) .. ARGV[4] .. ' ' .. R.id)
redis.call('ZADD', KEYS[15], int(now), R.id)
-- whatever is older than it is kept, or more than are listed, goes
local old = redis.call('ZRANGEBYSCORE', KEYS[15], '-inf', int(now - R.keep), 'LIMIT', 0, 100)
if R.cap > 0 then
  local over = redis.call('ZCARD', KEYS[15]) - R.cap
  if over > 0 then old = redis.call('ZRANGE', KEYS[15], 0, math.min(over, 100) - 1) end
end
for _, was in ipairs(old) do
  redis.call('HDEL', KEYS[16], was)
  redis.call('ZREM', KEYS[15], was)
end
local kept = false
if ARGV[5] ~= '' then
  local bytes = tonumber(redis.call('HGET', META, 'raw') or 0) or 0
  for _, was in ipairs(redis.call('ZRANGEBYSCORE', KEYS[18], '-inf', int(now))) do
    bytes = bytes - tonumber(string.match(was, '|(%d+)$'))
    redis.call('ZREM', KEYS[18], was)
  end
  kept = bytes + #ARGV[5] <= R.budget
  if kept then
    bytes = bytes + #ARGV[5]
    redis.call('SET', KEYS[17], ARGV[5], 'PX', int(R.keep))
    redis.call('ZADD', KEYS[18], int(now + R.keep), R.id .. '|' .. #ARGV[5])
  end
  redis.call('HSET', META, 'raw', int(math.max(0, bytes)))
end
redis.call('HSET', KEYS[16], R.id, kept and (string.gsub(ARGV[2], '"kept":false', '"kept":true', 1)) or ARGV[2])
redis.call('HSET', META, 'last', int(now))
return cjson.encode({d = R.fate, again = false})
