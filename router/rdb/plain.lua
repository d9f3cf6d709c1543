-- plain is the part of take that nearly every arrival is decided in: the same message again, or the first of somebody whom nobody knows, while
-- the floor is as it was. It runs before anything else is made ready; whatever else it may be is left to take.lua.
local TOK, LEAD, RECORD = KEYS[14], KEYS[15], KEYS[16]
local PRINTS = (#ARGV - FLAT) / 2

-- 1. the same message again?
local known = redis.call('HGET', TOK, TOKEN)
if known then
  local d, place, lead = string.match(known, '^(%a)(%S*) (.*)$')
  return {d, place == PLACE and 'again' or '', lead}
end

-- hold adds a lead to those that have a print.
local stored = {}
local function hold(n, lead)
  local key, field, mine, s = KEYS[16 + n], ARGV[FLAT - 1 + 2 * n], lead .. ':' .. ARGV[FLAT + 2 * n], stored[n]
  if not s and redis.call('HSETNX', key, field, mine) == 0 then s = redis.call('HGET', key, field) end
  if s and not string.find(',' .. s .. ',', ',' .. mine .. ',', 1, true) then
    -- the newest 16 leads of an identifier are enough; that it was forgotten stays
    if select(2, string.gsub(s, ',', ',')) >= 15 then
      local stays = ''
      while string.byte(s) == 33 do
        local one, rest = string.match(s, '^([^,]*,)(.*)$')
        stays, s = stays .. one, rest
      end
      s = stays .. (string.match(s, ',(.*)$') or '')
    end
    redis.call('HSET', key, field, s == '' and mine or s .. ',' .. mine)
  end
end

-- matched says whether leads are matched by a print; of an id (i) they are only found by it.
local function matched(n) return string.byte(ARGV[FLAT - 1 + 2 * n]) ~= 105 end

local plain = FIXED == '' and NAMED == '' and PAST == '' and (KNOWN ~= '' or meta[10]) and told and seq + 1 - told < MOST and steady(WORD)
if plain then
  -- A stranger has prints that nobody has; where somebody has one, those that were written until then are taken back.
  for n = 1, PRINTS do
    if matched(n) and redis.call('HSETNX', KEYS[16 + n], ARGV[FLAT - 1 + 2 * n], ID .. ':' .. ARGV[FLAT + 2 * n]) == 0 then
      for i = 1, n - 1 do redis.call('HDEL', KEYS[16 + i], ARGV[FLAT - 1 + 2 * i]) end
      plain = false
      break
    end
  end
end

if plain then
  -- The next in line gets their turn.
  local last, owner, cost, pass, turns, since, dealt, rest = string.match(meta[8], '^(%d+);(%S+) (%d+) (%d+) %d+ (%d+) (%-?%d+) (%d+);(.*)$')
  local after, n = pass + cost, tonumber(since)
  if n >= 0 then n = n + 1 end
  local s, passed = int(seq + 1), int(after)
  local mine = owner .. ' ' .. cost .. ' ' .. passed .. ' ' .. s .. ' ' .. int(turns + 1) .. ' ' .. int(n) .. ' ' .. int(dealt + 1) .. ';'
  local second = tonumber(string.match(rest, '^%S+ %d+ (%d+)') or '')
  local line
  if after >= tonumber(last) then
    line = passed .. ';' .. rest .. mine
  else -- behind all who stand no higher
    for at, theirs in string.gmatch(rest, '()%S+ %d+ (%d+) %d+ %d+ %-?%d+ %d+;') do
      if tonumber(theirs) > after then
        line = last .. ';' .. string.sub(rest, 1, at - 1) .. mine .. string.sub(rest, at)
        break
      end
    end
  end

  local clock, delay = int(now), int(now - AT)
  local o = SOURCE .. '|' .. owner .. '|' .. cost
  redis.call('HSET', LEAD, 'v', s, 'b', s .. '||' .. delay .. '|' .. AT .. '|' .. BIRTH, 'o', o, 'q1', REPEATS)
  redis.call('HSET', RECORD, 'r1', RECORDED)
  redis.call('ZADD', LEADS, AT, ID)
  redis.call('ZADD', UA, AT, ID)
  if DEADLINE ~= '' then redis.call('ZADD', UD, DEADLINE, ID) end
  if SOONEST ~= '' then redis.call('ZADD', DUE, SOONEST, ID) end
  for n = 1, PRINTS do if not matched(n) then hold(n, ID) end end
  redis.call('HSET', TOK, TOKEN, 'n' .. PLACE .. ' ' .. ID)
  if WAITED ~= '0' then redis.call('HINCRBY', CNT, 'hs|assignment|' .. SOURCE, WAITED) end
  if CLOSED ~= '' then redis.call('HINCRBY', CNT, 'closed|' .. SOURCE, 1) end
  redis.call('HSET', META, 'seq', s, 'last', clock, 'ref', int(second and second < after and second or after), 'line', line, ASKED, AT, COUNTED, int((meta[11] or 0) + 1))
  local birth = '|' .. delay .. '|' .. BIRTH .. '|' .. o .. '|||' .. BUCKET .. '|' .. WAITED .. '|' .. CLOSED .. '|' .. pass .. '|' .. int(seq + 1 - told) .. '|'
  if BY == '' and ACTOR == '' then
    redis.call('XADD', EV, s .. '-0', 'k', 'dealt', 't', clock, 'l', ID, 'n', birth)
  else
    local e = {'k', 'dealt', 't', clock, 'l', ID, 'n', birth}
    for name, v in pairs({b = BY, a = ACTOR}) do
      if v ~= '' then e[#e + 1] = name; e[#e + 1] = v end
    end
    redis.call('XADD', EV, s .. '-0', unpack(e))
  end
  return {'new', ID, owner, '', 'untouched', seq + 1}
end

for n = 1, PRINTS do
  if matched(n) then stored[n] = redis.call('HGET', KEYS[16 + n], ARGV[FLAT - 1 + 2 * n]) end
end

local R = setmetatable({actor = ACTOR, word = WORD}, {__index = function(r, name)
  setmetatable(r, nil)
  for k, v in pairs(cjson.decode(ARGV[FLAT])) do r[k] = v end
  return r[name]
end})
