-- park notes a message without a lead.
-- KEYS 15 token shard 16 list of its fate 17 park 18 raw. ARGV 2 what is known of it, 3 token, 4 place, 5 raw bytes or ''
-- Returns JSON {d, fate, again}: d is R.fate, or replay where the message was decided in another place.
local known = redis.call('HGET', KEYS[15], ARGV[3])
if known then
  local d, place, lead = string.match(known, '^(%a)(%S*) (.*)$')
  local words = {n = 'new', t = 'touch', d = 'duplicate', o = 'other', q = 'quarantined'}
  local again = place == ARGV[4]
  return cjson.encode({d = again and words[d] or 'replay', fate = words[d], again = again, lead = lead})
end
redis.call('HSET', KEYS[15], ARGV[3], string.sub(R.fate, 1, 1) .. ARGV[4] .. ' ' .. R.id)
redis.call('ZADD', KEYS[16], int(now), R.id)
redis.call('HSET', KEYS[17], R.id, ARGV[2])
if ARGV[5] ~= '' then redis.call('SET', KEYS[18], ARGV[5], 'EX', int(R.keep)) end
if R.cap > 0 then
  local over = redis.call('ZCARD', KEYS[16]) - R.cap
  if over > 0 then
    for _, id in ipairs(redis.call('ZRANGE', KEYS[16], 0, over - 1)) do redis.call('HDEL', KEYS[17], id) end
    redis.call('ZREMRANGEBYRANK', KEYS[16], 0, over - 1)
  end
end
redis.call('HSET', META, 'last', int(now))
return cjson.encode({d = R.fate, again = false})
