-- Every script of a store opens so. What stands before it makes NOW, EPOCH, and ASKED and COUNTED, more fields of meta to read; and R, the
-- request in JSON, but for take, whose request is flat.
-- KEYS 1 meta 2 ev 3 rot 4 hand 5 unt 6 cnt 7 leads 8 wait 9 ua 10 ud 11 over 12 due 13 owed; from 14 on the script's own.
-- A script reads and checks first and writes last: Redis does not roll back. plain.lua alone writes as it looks, and takes that back itself.
local META, EV, ROT, HAND, UNT, CNT, LEADS, WAIT, UA, UD, OVER, DUE, OWED = unpack(KEYS, 1, 13)

local function int(n) return string.format('%d', n) end

local meta = redis.call('HMGET', META, 'seq', 'last', 'gen', 'ref', 'wl', 'epoch', 'floor', 'line', 'told', ASKED, COUNTED)
if not meta[6] or EPOCH ~= '' and EPOCH ~= meta[6] then return redis.error_reply('UNOPENED the store has no keys, or others than were opened') end
local seq, gen, ref = tonumber(meta[1] or 0) or 0, tonumber(meta[3] or 0) or 0, tonumber(meta[4] or '')
-- The clock of a store never goes back.
local now = math.max(NOW, tonumber(meta[2] or 0) or 0)

-- The line is who is next, then who after, of the eligible: 'pass of the last;' and of each 'id cost pass last turns since dealt;'. It is kept
-- while nothing but a turn can change the floor and nobody is held, so that take need not look at everybody. Of whom it names rot tells nothing,
-- and neither unt nor cnt tells of the leads dealt since.
-- meta floor says until when: the request's floor as one word, and when the first who was set by hand no longer is, 0 where nobody was.
-- steady says whether the floor is as it was when the line was written.
local function steady(word)
  if meta[7] == word .. ' 0' then return true end
  local known, till = string.match(meta[7] or '', '^(%S+) (%d+)$')
  return known == word and now < tonumber(till)
end

-- told is the last event that tells the passes of all. No log is read back further than MOST for one event.
local MOST, told = 256, tonumber(meta[9] or '')
