-- settle sets the fate of places, each once, unless the decision was lost and made anew.
-- KEYS 1 lease, 2 fates, 3 list of shards, 4 list of UIDVALIDITYs, then the shard of each group. ARGV 1 fence, 2 UIDVALIDITY, then each group of
-- places of one shard and one fate: the fate, how many, 1 where they were made anew, and of each its UID and value, which begins with its fate.
-- Returns the number of places set, or -1 where a newer holder has the mailbox.
local fence = tonumber(redis.call('HGET', KEYS[1], 'fence') or 0) or 0
if fence > tonumber(ARGV[1]) then return -1 end
local n, at, fates = 0, 3, {}
local function count(fate, more) fates[fate] = (fates[fate] or 0) + more end
for g = 5, #KEYS do
  local shard, fate, places, anew = KEYS[g], ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2] == '1'
  at = at + 3
  local uids = {}
  for i = 1, places do uids[i] = ARGV[at + 2 * i - 2] end
  local had, set, met, fresh = redis.call('HMGET', shard, unpack(uids)), {}, {}, 0
  for i = 1, places do
    local uid, value, was = uids[i], ARGV[at + 2 * i - 1], had[i]
    if not met[uid] and (not was or anew and was ~= value) then
      met[uid] = true
      set[#set + 1], set[#set + 2] = uid, value
      fresh = fresh + 1
      if was then count(string.match(was, '^[^|]*'), -1) end
    end
  end
  at = at + 2 * places
  if fresh > 0 then
    redis.call('HSET', shard, unpack(set))
    redis.call('SADD', KEYS[3], string.match(shard, '[^:]*$'))
    count(fate, fresh)
    n = n + fresh
  end
end
if n > 0 then redis.call('SADD', KEYS[4], ARGV[2]) end
for fate, more in pairs(fates) do if more ~= 0 then redis.call('HINCRBY', KEYS[2], fate, more) end end
return n
