-- upgrade brings the keys of schemas 1 and 2 to schema 3: of each lead one due time in place of one for each of its timers; deadlines apart
-- by whether they are to come; sources in meta. What else was written otherwise is read in every way.
-- KEYS 14 src, 15 last, as schema 2 had them, then the leads R.leads, some of those with a deadline. R.done: these are the last.
-- Returns JSON {}.
local schema = redis.call('HGET', META, 'schema')
if tonumber(schema) >= 3 then return '{}' end -- another replica was quicker
redis.call('HDEL', META, 'line', 'floor') -- rot tells it all
if schema == '1' then
  local all, first = redis.call('ZRANGE', DUE, 0, -1, 'WITHSCORES'), {}
  for i = 1, #all, 2 do -- the earliest first
    local lead = string.match(all[i], '^%a|(.*)$') or all[i]
    first[lead] = first[lead] or all[i + 1]
  end
  redis.call('DEL', DUE)
  for lead, at in pairs(first) do redis.call('ZADD', DUE, at, lead) end
  redis.call('HSET', META, 'schema', '2')
end
for i, lead in ipairs(R.leads) do
  local f = read(KEYS[15 + i], 'dl', 'td', 'tp', 'tw', 'tr', 'tx')
  wind(lead, f[1], f[2], f[3], f[4], f[5], f[6])
end
if R.done then
  local labels = hash(KEYS[14])
  for label in pairs(labels) do redis.call('HSET', META, 's:' .. label, '0') end
  for label, at in pairs(hash(KEYS[15])) do redis.call('HSET', META, 's:' .. label, at) end
  redis.call('HSET', META, 'labels', redis.call('HLEN', KEYS[14]), 'schema', '3')
  redis.call('DEL', KEYS[14], KEYS[15])
end
return '{}'
