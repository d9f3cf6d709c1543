-- plain is the part of take that nearly every arrival is decided in: the same message again, or the first of somebody whom nobody knows, while
-- the floor is as it was. It runs before anything else is made ready; whatever else it may be is left to take.lua.

-- What is written of several leads at once.
local figures, news, sums, entered, ending, ringing = {[ASKED] = meta[10], [COUNTED] = meta[11]}, {}, {}, {}, {}, {}
local decided, queue = 0, meta[8]

local function figure(name)
  if figures[name] == nil then figures[name] = redis.call('HGET', META, name) end
  return figures[name]
end

local function finish()
  if decided == 0 then return end
  redis.call('ZADD', LEADS, unpack(entered))
  redis.call('ZADD', UA, unpack(entered))
  if #ending > 0 then redis.call('ZADD', UD, unpack(ending)) end
  if #ringing > 0 then redis.call('ZADD', DUE, unpack(ringing)) end
  for name, n in pairs(sums) do redis.call('HINCRBY', CNT, name, int(n)) end
  local w = {'seq', int(seq), 'last', int(now), 'ref', int(ref), 'line', queue}
  for name, v in pairs(news) do w[#w + 1] = name; w[#w + 1] = v end
  redis.call('HSET', META, unpack(w))
end

-- hold adds a lead to those that have a print.
local stored
local function hold(n, lead)
  local key, field, mine, s = KEYS[K + n], ARGV[A + 2 * n - 1], lead .. ':' .. ARGV[A + 2 * n], stored[n]
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
local function matched(n) return string.byte(ARGV[A + 2 * n - 1]) ~= 105 end

-- decide answers for the arrival, where it is plain; else it says whether those after it may be: they do not pass a stranger.
local begun -- and not decided
local function decide()
  stored = {}
  local plain = SELDOM == '' and (KNOWN ~= '' or figure(ASKED)) and told and seq + 1 - told < MOST and steady(WORD)
  -- 1. the same message again? A plain one is written as it is looked for.
  if not plain or redis.call('HSETNX', TOK, TOKEN, 'n' .. PLACE .. ' ' .. ID) == 0 then
    local d, place, lead = string.match(redis.call('HGET', TOK, TOKEN) or '', '^(%a)(%S*) (.*)$')
    if not d then return nil, false end
    return {d, place == PLACE and 'again' or '', lead}
  end
  begun = true
  -- A stranger has prints that nobody has; where somebody has one, what was written until then is taken back.
  for n = 1, PRINTS do
    if matched(n) and redis.call('HSETNX', KEYS[K + n], ARGV[A + 2 * n - 1], ID .. ':' .. ARGV[A + 2 * n]) == 0 then
      for i = 1, n - 1 do redis.call('HDEL', KEYS[K + i], ARGV[A + 2 * i - 1]) end
      redis.call('HDEL', TOK, TOKEN)
      begun = false
      return nil, true
    end
  end

  -- The next in line gets their turn.
  local last, owner, cost, pass, turns, since, dealt, rest = string.match(queue, '^(%d+);(%S+) (%d+) (%d+) %d+ (%d+) (%-?%d+) (%d+);(.*)$')
  local after, n = pass + cost, tonumber(since)
  if n >= 0 then n = n + 1 end
  local s, passed = int(seq + 1), int(after)
  local mine = owner .. ' ' .. cost .. ' ' .. passed .. ' ' .. s .. ' ' .. int(turns + 1) .. ' ' .. int(n) .. ' ' .. int(dealt + 1) .. ';'
  local second = tonumber(string.match(rest, '^%S+ %d+ (%d+)') or '')
  if after >= tonumber(last) then
    queue = passed .. ';' .. rest .. mine
  else -- behind all who stand no higher
    for at, theirs in string.gmatch(rest, '()%S+ %d+ (%d+) %d+ %d+ %-?%d+ %d+;') do
      if tonumber(theirs) > after then
        queue = last .. ';' .. string.sub(rest, 1, at - 1) .. mine .. string.sub(rest, at)
        break
      end
    end
  end

  local clock, delay = int(now), int(now - AT)
  local o = SOURCE .. '|' .. owner .. '|' .. cost
  redis.call('HSET', LEAD, 'v', s, 'b', s .. '||' .. delay .. '|' .. AT .. '|' .. BIRTH, 'o', o, 'q1', REPEATS)
  redis.call('HSET', RECORD, 'r1', RECORDED)
  for n = 1, PRINTS do if not matched(n) then hold(n, ID) end end
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

  entered[#entered + 1], entered[#entered + 2] = AT, ID
  if DEADLINE ~= '' then ending[#ending + 1], ending[#ending + 2] = DEADLINE, ID end
  if SOONEST ~= '' then ringing[#ringing + 1], ringing[#ringing + 2] = SOONEST, ID end
  if WAITED ~= '0' then
    local name = 'hs|assignment|' .. SOURCE
    sums[name] = (sums[name] or 0) + WAITED
  end
  if CLOSED ~= '' then
    local name = 'closed|' .. SOURCE
    sums[name] = (sums[name] or 0) + 1
  end
  local counted = int((figure(COUNTED) or 0) + 1)
  figures[ASKED], figures[COUNTED], news[ASKED], news[COUNTED] = AT, counted, AT, counted
  seq, ref, decided, begun = seq + 1, second and second < after and second or after, decided + 1, false
  return {seq, owner}
end

-- Whatever happens to one, those before it are decided and written to the end, and it can be taken again.
local answers = {}
local fine, fault = pcall(function()
  for i = 1, ARRIVALS do
    local answer, on = decide()
    if ARRIVALS == 1 then answers = answer return end
    answers[i] = answer or {'more'}
    if not answer and not on or i == ARRIVALS then return end
    K, A = K + PRINTS, A + 2 * PRINTS
    turn_to()
    now = math.max(NOW, now)
  end
end)
finish()
if not fine then
  if begun then redis.pcall('HDEL', TOK, TOKEN) end
  error(fault, 0) -- as it would have been raised
end
if answers then return answers end

for n = 1, PRINTS do
  if matched(n) then stored[n] = redis.call('HGET', KEYS[K + n], ARGV[A + 2 * n - 1]) end
end

local R = setmetatable({actor = ACTOR, word = WORD}, {__index = function(r, name)
  setmetatable(r, nil)
  for k, v in pairs(cjson.decode(SELDOM)) do r[k] = v end
  return r[name]
end})
