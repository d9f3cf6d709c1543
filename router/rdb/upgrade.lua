-- upgrade brings the keys of schema 1 to schema 2: of each lead one due time in place of one for each of its timers. What else schema 2
-- writes otherwise is read in both ways.
-- KEYS 1 meta 2 due. Returns 1 where it did so.
if redis.call('HGET', KEYS[1], 'schema') ~= '1' then return 0 end
local all, first = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'), {}
for i = 1, #all, 2 do -- the earliest first
  local lead = string.match(all[i], '^%a|(.*)$') or all[i]
  first[lead] = first[lead] or all[i + 1]
end
redis.call('DEL', KEYS[2])
for lead, at in pairs(first) do redis.call('ZADD', KEYS[2], at, lead) end
redis.call('HSET', KEYS[1], 'schema', '2')
return 1
