-- sweep forgets messages without a lead that were put aside long enough ago.
-- KEYS 14 quarantined 15 other 16 park 17 kept, then for each of R.ids its raw message. R.before in ms.
-- Returns how many it forgot, as a text.
local bytes = tonumber(redis.call('HGET', META, 'raw') or 0) or 0
local n = 0
for i, id in ipairs(R.ids) do
  for list = 14, 15 do
    local at = tonumber(redis.call('ZSCORE', KEYS[list], id) or '')
    if at and at <= R.before then
      n = n + 1
      redis.call('ZREM', KEYS[list], id)
      redis.call('HDEL', KEYS[16], id)
      local size = redis.call('STRLEN', KEYS[17 + i])
      redis.call('DEL', KEYS[17 + i])
      if redis.call('ZREM', KEYS[17], id .. '|' .. size) == 1 then bytes = bytes - size end
    end
  end
end
-- those that expired by themselves no longer count either
for _, was in ipairs(redis.call('ZRANGEBYSCORE', KEYS[17], '-inf', int(now), 'LIMIT', 0, 100)) do
  bytes = bytes - tonumber(string.match(was, '|(%d+)$'))
  redis.call('ZREM', KEYS[17], was)
end
redis.call('HSET', META, 'raw', int(math.max(0, bytes)))
return int(n)
