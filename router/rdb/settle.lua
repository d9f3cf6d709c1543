-- settle sets the fate of places, each once, unless the decision was lost and made anew.
-- KEYS 1 lease, 2 fates, 3 list of shards, 4 list of UIDVALIDITYs, then the shards. ARGV 1 fence, 2 UIDVALIDITY, then for each place: number of its shard's key, UID, value, which begins with its fate, 1 where it was made anew.
-- Returns the number of places set, or -1 where a newer holder has the mailbox.
local fence = tonumber(redis.call('HGET', KEYS[1], 'fence') or 0) or 0
if fence > tonumber(ARGV[1]) then return -1 end
local n, fates, listed = 0, {}, {}
local function count(value, more)
  local fate = string.match(value, '^[^|]*')
  fates[fate] = (fates[fate] or 0) + more
end
for i = 3, #ARGV, 4 do
  local shard, uid, value = KEYS[4 + ARGV[i]], ARGV[i + 1], ARGV[i + 2]
  local set = redis.call('HSETNX', shard, uid, value) == 1
  if not set and ARGV[i + 3] == '1' then
    local was = redis.call('HGET', shard, uid)
    if was ~= value then
      redis.call('HSET', shard, uid, value)
      count(was, -1)
      set = true
    end
  end
  if set then
    listed[shard] = true
    count(value, 1)
    n = n + 1
  end
end
-- A batch has few shards and fewer fates: they are written once each.
for shard in pairs(listed) do redis.call('SADD', KEYS[3], string.match(shard, '[^:]*$')) end
if n > 0 then redis.call('SADD', KEYS[4], ARGV[2]) end
for fate, more in pairs(fates) do if more ~= 0 then redis.call('HINCRBY', KEYS[2], fate, more) end end
return n
