-- lead says whose configuration of a store was loaded last: that one leads, and its hours are in force from then on.
-- KEYS 1 config 2 hours. ARGV 1 hash of a configuration, 2 when it was loaded, in ms, 3 its hours, 4 how many versions of hours are kept.
-- Returns {hash, ms} of the one that leads.
local c = redis.call('HMGET', KEYS[1], 'hash', 'at')
local last = redis.call('LINDEX', KEYS[2], -1)
if tonumber(ARGV[2]) > (tonumber(c[2] or 0) or 0) then
  redis.call('HSET', KEYS[1], 'hash', ARGV[1], 'at', ARGV[2])
  c = {ARGV[1], ARGV[2]}
elseif last or c[1] ~= ARGV[1] then
  return c -- it was told before
end
local since, hours = string.match(last or '0|', '^(%d+)|(.*)$')
if hours ~= ARGV[3] then
  redis.call('RPUSH', KEYS[2], string.format('%d', math.max(tonumber(since) or 0, tonumber(c[2]))) .. '|' .. ARGV[3])
  redis.call('LTRIM', KEYS[2], '-' .. ARGV[4], -1)
end
return c
