-- settle sets the fate of places, each once, unless the decision was lost and made anew.
-- KEYS 1 lease, 2 fates, 3 list of shards, 4 list of UIDVALIDITYs, then the shards. ARGV 1 fence, 2 UIDVALIDITY, then for each place: number of its shard's key, name of the shard, UID, fate, value, 1 where it was made anew.
-- Returns the number of places set, or -1 where a newer holder has the mailbox.
local fence = tonumber(redis.call('HGET', KEYS[1], 'fence') or 0) or 0
if fence > tonumber(ARGV[1]) then return -1 end
local n, fates, listed = 0, {}, {}
for i = 3, #ARGV, 6 do
  local shard, uid = KEYS[4 + tonumber(ARGV[i])], ARGV[i + 2]
  local was = redis.call('HGET', shard, uid)
  if not was or (ARGV[i + 5] == '1' and was ~= ARGV[i + 4]) then
    redis.call('HSET', shard, uid, ARGV[i + 4])
    listed[ARGV[i + 1]] = true
    if was then
      local fate = string.match(was, '^[^|]*')
      fates[fate] = (fates[fate] or 0) - 1
    end
    fates[ARGV[i + 3]] = (fates[ARGV[i + 3]] or 0) + 1
    n = n + 1
  end
end
-- A batch has few shards and fewer fates: they are written once each.
for name in pairs(listed) do redis.call('SADD', KEYS[3], name) end
if n > 0 then redis.call('SADD', KEYS[4], ARGV[2]) end
for fate, more in pairs(fates) do if more ~= 0 then redis.call('HINCRBY', KEYS[2], fate, more) end end
return n
