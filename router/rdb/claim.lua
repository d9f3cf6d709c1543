-- claim takes or renews the lease of a mailbox, or gives it back.
-- KEYS 1 lease. ARGV 1 holder, 2 now in ms, 3 until in ms, or 0 to give back, 4 fence of the one who gives back.
-- The lease keeps its own end and compares: a TTL would stand still where the clock of the store does.
-- A fence is at least the clock's reading, so that it rises also over a lease that the store has lost.
-- Returns {fence, held}.
local l = redis.call('HMGET', KEYS[1], 'holder', 'fence', 'until')
local holder, fence, till = l[1], tonumber(l[2] or 0) or 0, tonumber(l[3] or 0) or 0
local now = tonumber(ARGV[2])
if ARGV[3] == '0' then
  if holder == ARGV[1] and fence == tonumber(ARGV[4]) then redis.call('HSET', KEYS[1], 'until', '0') end
  return {fence, 0}
end
if holder and holder ~= ARGV[1] and till > now then
  -- a claim that reaches further than claims do was made by a clock that has gone back since: its holder must prove itself anew
  local latest = 2 * tonumber(ARGV[3]) - now
  if till > latest then redis.call('HSET', KEYS[1], 'until', string.format('%.0f', latest)) end
  return {fence, 0}
end
if holder ~= ARGV[1] or till <= now then fence = math.max(fence + 1, now) end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'fence', string.format('%.0f', fence), 'until', ARGV[3])
return {fence, 1}
