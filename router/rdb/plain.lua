-- plain is the part of take that nearly every arrival is decided in: the same message again, or the first of somebody whom nobody knows, while
-- the floor is as it was. It runs before anything else is made ready; whatever else it may be is left to take.lua. It makes no functions: making
-- them anew in each call, with all that they refer to, costs more than what they do.

-- What is written of several leads at once.
local figures, sums, entered, ending, ringing = {[ASKED] = meta[10], [COUNTED] = meta[11]}, nil, nil, nil, nil
local queue, s, clock, low = meta[8], nil, nil, nil -- and seq, last and ref as texts
local answers, left, fault = {}, false, nil
for i = 1, ARRIVALS do
  NOW, AT, ID, TOKEN, PLACE, RECORDED, SOURCE, KNOWN, REPEATS, BIRTH, DEADLINE, SOONEST, BUCKET, WAITED, CLOSED, BY, ACTOR, WORD, SELDOM, PRINTS = unpack(ARGV, A + 1, A + 20)
  TOK, LEAD, RECORD = KEYS[K + 1], KEYS[K + 2], KEYS[K + 3]
  K, A, PRINTS = K + 3, A + 20, tonumber(PRINTS)
  if i > 1 then
    now = math.max(tonumber(NOW), now)
    ASKED, COUNTED = 's:' .. SOURCE, 'n:' .. SOURCE .. '|' .. BUCKET
    if figures[ASKED] == nil then figures[ASKED] = redis.call('HGET', META, ASKED) end
    if figures[COUNTED] == nil then figures[COUNTED] = redis.call('HGET', META, COUNTED) end
  end
  local plain = SELDOM == '' and (KNOWN ~= '' or figures[ASKED]) and told and seq + 1 - told < MOST and steady(WORD)

  -- 1. the same message again? A plain one is written as it is looked for.
  local token = plain and redis.pcall('HSETNX', TOK, TOKEN, 'n' .. PLACE .. ' ' .. ID)
  if not plain or token == 0 then
    local d, place, lead = string.match(redis.call('HGET', TOK, TOKEN) or '', '^(%a)(%S*) (.*)$')
    if d then answers[i] = {d, place == PLACE and 'again' or '', lead}
    else left = true end -- those after it do not pass a stranger
  elseif token ~= 1 then
    fault = token
  else
    -- A stranger has prints that nobody has. Where somebody has one, or anything is wrong, what was written until then is taken back.
    local n = 1
    while n <= PRINTS do
      local new = redis.pcall('HSETNX', KEYS[K + n], ARGV[A + 2 * n - 1], ID .. ':' .. ARGV[A + 2 * n])
      if new ~= 1 then
        if new ~= 0 then fault = new end
        break
      end
      n = n + 1
    end
    if n > PRINTS then
      -- The next in line gets their turn.
      local last, owner, cost, pass, turns, since, dealt, rest = string.match(queue, '^(%d+);(%S+) (%d+) (%d+) %d+ (%d+) (%-?%d+) (%d+);(.*)$')
      local after, delay, o = pass + cost, int(now - AT), SOURCE .. '|' .. owner .. '|' .. cost
      local number, passed, event = int(seq + 1), int(after), nil
      clock = int(now)
      local birth = '|' .. delay .. '|' .. BIRTH .. '|' .. o .. '|||' .. BUCKET .. '|' .. WAITED .. '|' .. CLOSED .. '|' .. pass .. '|' .. int(seq + 1 - told) .. '|'
      if BY == '' and ACTOR == '' then
        event = redis.pcall('XADD', EV, number .. '-0', 'k', 'dealt', 't', clock, 'l', ID, 'n', birth)
      else
        local e = {'k', 'dealt', 't', clock, 'l', ID, 'n', birth}
        if BY ~= '' then e[#e + 1] = 'b'; e[#e + 1] = BY end
        if ACTOR ~= '' then e[#e + 1] = 'a'; e[#e + 1] = ACTOR end
        event = redis.pcall('XADD', EV, number .. '-0', unpack(e))
      end
      if type(event) == 'table' and event.err then
        fault = event
      else
        s = number
        redis.call('HSET', LEAD, 'v', s, 'b', s .. '||' .. delay .. '|' .. AT .. '|' .. BIRTH, 'o', o, 'q1', REPEATS)
        redis.call('HSET', RECORD, 'r1', RECORDED)
        local mine = owner .. ' ' .. cost .. ' ' .. passed .. ' ' .. s .. ' ' .. int(turns + 1) .. ' ' .. (tonumber(since) < 0 and since or int(since + 1)) .. ' ' .. int(dealt + 1) .. ';'
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
        local second = string.match(rest, '^%S+ %d+ (%d+)')
        seq, low = seq + 1, second and tonumber(second) < after and second or passed
        figures[ASKED], figures[COUNTED] = AT, int((figures[COUNTED] or 0) + 1)
        if entered then entered[#entered + 1], entered[#entered + 2] = AT, ID else entered = {AT, ID} end
        if DEADLINE == '' then -- it has none
        elseif ending then ending[#ending + 1], ending[#ending + 2] = DEADLINE, ID else ending = {DEADLINE, ID} end
        if SOONEST == '' then -- or its deadline comes first
        elseif ringing then ringing[#ringing + 1], ringing[#ringing + 2] = SOONEST, ID else ringing = {SOONEST, ID} end
        if WAITED ~= '0' or CLOSED ~= '' then
          sums = sums or {}
          if WAITED ~= '0' then sums['hs|assignment|' .. SOURCE] = (sums['hs|assignment|' .. SOURCE] or 0) + WAITED end
          if CLOSED ~= '' then sums['closed|' .. SOURCE] = (sums['closed|' .. SOURCE] or 0) + 1 end
        end
        answers[i] = {seq, owner}
      end
    end
    if not answers[i] then
      for j = 1, n - 1 do redis.call('HDEL', KEYS[K + j], ARGV[A + 2 * j - 1]) end
      redis.call('HDEL', TOK, TOKEN)
    end
  end
  if ARRIVALS > 1 then
    answers[i] = answers[i] or {'more'}
    if left or fault then break end
    if i < ARRIVALS then K, A = K + PRINTS, A + 2 * PRINTS end
  end
end

-- Whatever happened to one, those before it are decided.
if entered then
  redis.call('ZADD', LEADS, unpack(entered))
  redis.call('ZADD', UA, unpack(entered))
  if ending then redis.call('ZADD', UD, unpack(ending)) end
  if ringing then redis.call('ZADD', DUE, unpack(ringing)) end
  if sums then
    for name, n in pairs(sums) do redis.call('HINCRBY', CNT, name, int(n)) end
  end
  local w = {'seq', s, 'last', clock, 'ref', low, 'line', queue}
  for name, v in pairs(figures) do
    if v then w[#w + 1] = name; w[#w + 1] = v end
  end
  redis.call('HSET', META, unpack(w))
end
if fault then
  if string.find(fault.err, '^ERR ') then error(fault.err, 0) end -- which names the script, as what is raised by a key that is damaged
  return fault
end
if ARRIVALS > 1 then return answers end
if answers[1] then return answers[1] end

-- matched says whether leads are matched by a print; of an id (i) they are only found by it.
local function matched(n) return string.byte(ARGV[A + 2 * n - 1]) ~= 105 end

local stored = {}
for n = 1, PRINTS do
  if matched(n) then stored[n] = redis.call('HGET', KEYS[K + n], ARGV[A + 2 * n - 1]) end
end

-- hold adds a lead to those that have a print.
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

local R = setmetatable({actor = ACTOR, word = WORD}, {__index = function(r, name)
  setmetatable(r, nil)
  for k, v in pairs(cjson.decode(SELDOM)) do r[k] = v end
  return r[name]
end})
