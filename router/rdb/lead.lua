-- lead says whose configuration of a store was loaded last: that one leads.
-- KEYS 1 config. ARGV 1 hash of a configuration, 2 when it was loaded, in ms.
-- Returns {hash, ms} of the one that leads.
local c = redis.call('HMGET', KEYS[1], 'hash', 'at')
local at = tonumber(c[2] or 0) or 0
if tonumber(ARGV[2]) > at then
  redis.call('HSET', KEYS[1], 'hash', ARGV[1], 'at', ARGV[2])
  return {ARGV[1], ARGV[2]}
end
return {c[1], c[2]}
