-- move stores what became of two leads when arrivals of the one went to the other, as router derived it.
-- KEYS 14, 15 the one and its personal record, 16, 17 the other's, then fingerprint shards.
-- R.from and R.to are a change of each: id, v (0: there is no such lead yet), kind, by, detail, counts, to and why of a deal, back
-- [[person, cost]] of turns given back, and set, z and unt as change takes them. R.marks [[number of an arrival, its number there]],
-- R.records [[field of the record, field there]], R.prints [{s shard, f field, drop lead or add lead:last name}].
-- Returns JSON {seq} or {conflict: true}.
local FROM, RECORD, TO, THERE = KEYS[14], KEYS[15], KEYS[16], KEYS[17]
local function version(key) return tonumber(redis.call('HGET', key, 'v') or '') or 0 end
if version(FROM) ~= R.from.v or version(TO) ~= R.to.v then return '{"conflict":true}' end

local function tell(c, key)
  for name, n in pairs(c.counts) do count(name, n) end
  if c.v == 0 then c.set.fe = int(seq + 1) end
  local back = give_back(c.back)
  local s = event(c.kind, c.id, c.by, c.set, (c.to or back) and deal_json({to = c.to, reason = c.why, back = back}) or nil, c.detail)
  change(c.id, key, c, s)
end
tell(R.from, FROM)
tell(R.to, TO)

local function carry(key, field, there, name)
  local v = redis.call('HGET', key, field)
  if v then
    redis.call('HSET', there, name, v)
    redis.call('HDEL', key, field)
  end
end
for _, m in ipairs(R.marks) do carry(FROM, 'q' .. int(m[1]), TO, 'q' .. int(m[2])) end
for _, r in ipairs(R.records) do carry(RECORD, r[1], THERE, r[2]) end

for _, p in ipairs(R.prints) do
  local key = KEYS[17 + p.s]
  local list = {}
  for entry in string.gmatch(redis.call('HGET', key, p.f) or '', '[^,]+') do
    if entry ~= p.add and string.match(entry, '^[^:]+') ~= p.drop then list[#list + 1] = entry end
  end
  if p.add then list[#list + 1] = p.add end
  while #list > 16 do table.remove(list, 1) end -- the newest 16 leads of an identifier are enough
  if #list > 0 then redis.call('HSET', key, p.f, table.concat(list, ',')) else redis.call('HDEL', key, p.f) end
end
flush()
return cjson.encode({seq = seq})
