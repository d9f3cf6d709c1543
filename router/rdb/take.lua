-- take decides one arrival: replay, same enquiry, same customer, else whose turn.
-- KEYS 15 token shard, 16 new lead, 17 its personal record, then R.nfp fingerprint shards, then for each of R.cand its lead and its record.
-- ARGV 1 request, 2 personal record, 3 token, 4 place, 5 the new lead's fields as a JSON object without its end, 6.. the same as names and values
-- Returns JSON {d, lead, owner, cover, state, seq, again} or {match: [leads]}: call again with these as candidates, their keys named; or
-- {late: lead}: something happened to that lead later than R.at; call again with R.late, what router derives the lead to be: its id, v, and
-- counts, set, z, unt and due as change takes them.
local TOK, LEAD, RECORD = KEYS[15], KEYS[16], KEYS[17]
local function fp(i) return KEYS[17 + i] end
local function cand(i) return KEYS[17 + R.nfp + 2 * i - 1], KEYS[17 + R.nfp + 2 * i] end

local function answer(t) return cjson.encode(t) end

-- 1. the same message again?
local known = redis.call('HGET', TOK, ARGV[3])
if known then
  local d, place, lead = string.match(known, '^(%a)(%S*) (.*)$')
  local words = {n = 'new', t = 'touch', d = 'duplicate', o = 'other', q = 'quarantined'}
  local again = place == ARGV[4]
  if d == 'o' or d == 'q' then return answer({d = again and words[d] or 'replay', fate = words[d], again = again, lead = lead}) end
  return answer({d = again and words[d] or 'replay', again = again, lead = lead, seq = 0})
end

-- 2. the same customer? Emails before phones before names, of each the newest first.
local matches, seen, gone = {}, {}, 0
for _, p in ipairs(R.prints) do
  local s = p.k ~= 'i' and redis.call('HGET', fp(p.s), p.f)
  if s then
    local list, lasts, names, tomb = {}, {}, 0, 0
    for lead, last in string.gmatch(s, '([^:,]+):([^:,]*)') do
      if string.byte(lead) ~= 33 then list[#list + 1] = {lead, last}
      elseif p.k ~= 'p' or p.x == '' or last == '' or p.x == last then tomb = math.max(tomb, tonumber(string.sub(lead, 2))) end
      if last ~= '' and not lasts[last] then lasts[last] = true; names = names + 1 end
    end
    if names < 3 then -- three last names on one identifier: it identifies nobody
      gone = math.max(gone, tomb)
      for i = #list, 1, -1 do
        local lead, last = list[i][1], list[i][2]
        local differ = p.k == 'p' and p.x ~= '' and last ~= '' and p.x ~= last
        if not differ and not seen[lead] and #matches < 8 then
          seen[lead] = true
          matches[#matches + 1] = lead
        end
      end
    end
  end
end
-- What was written before its customer was forgotten does not bring them back.
if R.written <= gone then return answer({d = 'forgotten'}) end
local declared = {}
for i, id in ipairs(R.cand) do declared[id] = i end
for _, id in ipairs(matches) do
  if not declared[id] then return answer({match = matches}) end
end

local label = R.src
if not R.known then
  if redis.call('HEXISTS', SRC, R.src) == 0 then
    -- The past takes no label from the sources of the present.
    if not R.past and redis.call('HLEN', SRC) < R.smax then redis.call('HSET', SRC, R.src, '1') else label = 'other' end
  end
end

local function remember(letter, lead) redis.call('HSET', TOK, ARGV[3], letter .. ARGV[4] .. ' ' .. lead) end

local function print_(lead)
  for _, p in ipairs(R.prints) do
    local key = fp(p.s)
    local s = redis.call('HGET', key, p.f) or ''
    local mine = lead .. ':' .. p.x
    if not string.find(',' .. s .. ',', ',' .. mine .. ',', 1, true) then
      -- the newest 16 leads of an identifier are enough; that it was forgotten stays
      local n = select(2, string.gsub(s, ',', ','))
      if n >= 15 then
        local stays = ''
        while string.byte(s) == 33 do
          local one, rest = string.match(s, '^([^,]*,)(.*)$')
          stays, s = stays .. one, rest
        end
        s = stays .. (string.match(s, ',(.*)$') or '')
      end
      redis.call('HSET', key, p.f, s == '' and mine or s .. ',' .. mine)
    end
  end
end

local function arrival(disposition)
  return table.concat({int(R.at), R.ch, R.src, disposition}, '|')
end
local prints = R.idp .. '|' .. R.cop

-- A copy is kept beside the arrival that it repeats, whether that lead lives, is over or was void; what only says of itself that it was sent
-- before, beside the first that was a lead. Of a lead's arrivals the first and the newest 63 are looked at.
-- What is recorded of the past joins the lead that lived then.
local when = R.past and R.at or now
local alive, former, beside, first
for _, id in ipairs(matches) do
  local key, record = cand(declared[id])
  local f = redis.call('HMGET', key, 'st', 'ar', 'la', 'ow', 'n', 'hy', 'pk')
  if f[1] then
    local void, closed = f[1] == 'void', (f[1] == 'sold' or f[1] == 'lost') and not (R.past and when <= tonumber(f[3]))
    local x = {id = id, key = key, record = record, n = tonumber(f[5]), owner = f[4], state = f[1], ar = tonumber(f[2]), la = tonumber(f[3]), past = f[6]}
    x.nobodys = f[6] and not f[7] -- recorded, and nobody ever had it
    local names = {'t1', 'q1'}
    for i = math.max(2, x.n - 62), x.n do names[#names + 1] = 't' .. i; names[#names + 1] = 'q' .. i end
    local v = redis.call('HMGET', key, unpack(names))
    for i = 1, #names, 2 do
      local at = string.match(v[i] or '', '^(%d+)|')
      local ids, content = string.match(v[i + 1] or '', '^([^|]*)|([^|]*)$')
      if at and ids and (R.idp ~= '' and ids == R.idp or R.cop ~= '' and content == R.cop and math.abs(R.at - tonumber(at)) <= R.same) then beside = x end
    end
    if beside then break end
    if not first or first.state == 'void' and not void then first = x end
    if not void then
      if not alive and not closed and when - x.ar <= R.created and when - x.la <= R.active and x.ar - when <= R.active then alive = x end
      if not former and not x.nobodys then former = f[4] end
    end
  end
end
beside = beside or R.resend and first
if beside then
  local n = int(beside.n + 1)
  local t = arrival('duplicate')
  if not R.past then count('dup|' .. label) end
  local s = event('duplicate', beside.id, R.by, {['t' .. n] = t, n = n})
  redis.call('HSET', beside.key, 'v', int(s), 't' .. n, t, 'n', n, 'q' .. n, prints)
  redis.call('HSET', beside.record, 'r' .. n, ARGV[2])
  remember('d', beside.id)
  flush()
  return answer({d = 'duplicate', lead = beside.id, owner = beside.owner, state = beside.state, seq = s})
end

-- The past is recorded: nobody is dealt it, told of it or timed by it.
if R.past then
  local lead, key, record, n = R.id, LEAD, RECORD, 1
  local set
  local write = {}
  if alive then
    lead, key, record, n = alive.id, alive.key, alive.record, alive.n + 1
    set = {}
    if alive.past then
      set.la = int(math.max(R.at, alive.la))
      if R.at < alive.ar then set.ar = int(R.at) end
    end
  else
    set = {sl = label, ow = R.named ~= '' and R.named or R.holder, st = 'history', hy = '1', fe = int(seq + 1)}
    if R.named ~= '' then set.pk = '1' end
    count('hist|' .. label)
    for i = 6, #ARGV do write[#write + 1] = ARGV[i] end
  end
  set['t' .. n], set.n = arrival('history'), int(n)
  local s = event('recorded', lead, R.by, alive and set or ARGV[5] .. ',' .. string.sub(cjson.encode(set), 2))
  for name, v in pairs(set) do write[#write + 1] = name; write[#write + 1] = v end
  redis.call('HSET', key, 'v', int(s), 'q' .. n, prints, unpack(write))
  redis.call('HSET', record, 'r' .. n, ARGV[2])
  if not alive or set.ar then redis.call('ZADD', LEADS, int(R.at), lead) end
  print_(lead)
  remember(alive and 't' or 'n', lead)
  flush()
  return answer({d = alive and 'touch' or 'new', lead = lead, owner = set.ow, state = set.st, seq = s})
end

-- 3. the same customer while their lead lives: a touch. No turn, the same owner; where the owner is off, the next in turn covers.
if alive and not alive.nobodys then
  local f = redis.call('HMGET', alive.key, 'ow', 'st', 'ra', 'rr', 'rc', 'td', 'sl', 'la', 'tp', 'pk', 'v')
  local owner, state = f[1], f[2]
  local late = not alive.past and R.at < tonumber(f[8])
  if late then
    late = R.late
    if not late or late.id ~= alive.id or late.v ~= tonumber(f[11]) then return answer({late = alive.id}) end
  end
  local set = {['t' .. (alive.n + 1)] = arrival('touch'), n = int(alive.n + 1), la = int(math.max(R.at, tonumber(f[8])))}
  muster()
  stand()
  local timers = {}
  local cover
  local o = byid[owner]
  if state ~= 'waiting' and R.rostered and (not o or o.status == 'off') and not R.managers[owner] then
    cover = next_up({[owner] = true})
  end
  if late then
    set, state = late.set, late.set.st or state
    for name, n in pairs(late.counts) do count(name, n) end
    f[3], f[4], f[5] = '', '', '' -- its clocks were decided by router
  end
  set.cb = cover and cover.id or ''
  if not f[3] then
    set.st, set.ra = 'untouched', int(R.at)
    state = 'untouched'
    timers.w = R.timers.w
    if not f[10] then timers.r = R.timers.r end -- who was picked by hand keeps it
  end
  if not f[4] then
    set.rr, set.dl = int(R.at), int(R.due)
    -- the clock before this one was stopped; if its deadline is still to come it was met
    if f[6] then count('due|' .. f[7]) end
    if f[9] then count('pdue|' .. owner) end
    timers.d, timers.p = R.timers.d, R.timers.p
  end
  if not f[5] then set.rc = int(R.at) end
  if alive.past then -- recorded until now, with its owner
    set.hy, set.sl, set.ar, set.as = '', label, int(R.at), int(now)
    count('recv|' .. label)
    count('asg|' .. owner)
    redis.call('HDEL', alive.key, 'hy')
    redis.call('ZADD', LEADS, set.ar, alive.id)
  end
  for code, at in pairs(timers) do set['t' .. code] = int(at) end
  count('touch|' .. label)
  if R.closed then count('closed|' .. label) end
  if not f[3] then
    count('h|assignment|' .. label .. '|' .. R.bucket)
    count('hs|assignment|' .. label, R.waited)
  end
  local i, out = sides()
  local s = event('touch', alive.id, R.by, set, deal_json({to = owner, cover = cover and cover.id, reason = 'same customer', ['in'] = cover and i, out = cover and out}))
  if late then
    change(alive.id, alive.key, late, s)
    redis.call('HSET', alive.key, 'q' .. (alive.n + 1), prints)
  else
    local write = {'v', int(s), 'q' .. (alive.n + 1), prints}
    for name, v in pairs(set) do
      if v ~= '' then write[#write + 1] = name; write[#write + 1] = v end
    end
    redis.call('HSET', alive.key, unpack(write))
    if set.cb == '' then redis.call('HDEL', alive.key, 'cb') end
    if set.ra then
      redis.call('ZADD', UA, set.ra, alive.id)
      redis.call('HINCRBY', UNT, owner, 1)
    end
    if set.dl and (set.ra or state == 'untouched' or state == 'waiting') then redis.call('ZADD', UD, set.dl, alive.id)
    elseif set.ra then
      local dl = redis.call('HGET', alive.key, 'dl')
      if dl then redis.call('ZADD', UD, dl, alive.id) end
    end
    set_timers(alive.id, timers)
  end
  redis.call('HSET', alive.record, 'r' .. (alive.n + 1), ARGV[2])
  redis.call('HSET', LAST, label, int(R.at))
  print_(alive.id)
  remember('t', alive.id)
  save_people()
  flush()
  return answer({d = 'touch', lead = alive.id, owner = owner, cover = set.cb, state = state, seq = s})
end

-- 4. a new lead, or one that nobody ever had: its arrival is this one, those that were recorded stand beside it
local lead, n = R.id, 1
if alive then lead, n, LEAD, RECORD, former = alive.id, alive.n + 1, alive.key, alive.record, nil end
muster()
stand()
local kind, owner, cost, cover, i, out = 'dealt', nil, nil, nil, nil, nil
local state, reason = 'untouched', 'rotation'
if R.fixed ~= '' then
  kind, owner, reason = 'desk', R.fixed, 'desk ' .. R.desk
elseif R.named ~= '' then
  kind, owner, reason = 'named', R.named, 'named by a trusted source'
  if byid[owner] then cost = charge(byid[owner], false) end
elseif former and byid[former] then
  kind, owner, reason = 'returned', former, 'former owner of the customer\'s last lead'
  if byid[former].status == 'off' then cover = next_up({[former] = true}) end
  cost = charge(byid[former], false)
else
  i, out = sides()
  local p
  -- Whoever waits longest is dealt first: a newcomer does not pass those who are held.
  if redis.call('ZCARD', WAIT) == 0 then p = next_up() end
  if p then
    owner = p.id
    cost = charge(p, true)
  else
    kind, owner, state, reason = 'held', R.holder, 'waiting', i and 'others wait before it' or 'nobody is eligible'
  end
end

local set = {sl = label, ow = owner, st = state, ['t' .. n] = arrival(alive and 'touch' or 'new'), n = int(n)}
if alive then
  set.hy, set.la = '', int(math.max(R.at, alive.la))
  redis.call('HDEL', LEAD, 'hy')
else
  set.fe = int(seq + 1)
end
if cover then set.cb = cover.id end
local timers = {d = R.timers.d}
if state ~= 'waiting' then
  timers = R.timers
  set.as = int(now)
  count('asg|' .. owner)
  count('h|assignment|' .. label .. '|' .. R.bucket)
  count('hs|assignment|' .. label, R.waited)
end
if cost then set['c.' .. owner] = int(cost) end
for code, at in pairs(timers) do set['t' .. code] = int(at) end
count('recv|' .. label)
count('touch|' .. label)
if R.closed then count('closed|' .. label) end
local s = event(kind, lead, R.by, ARGV[5] .. ',' .. string.sub(cjson.encode(set), 2), deal_json({to = owner, cover = cover and cover.id, cost = cost, reason = reason, ['in'] = i, out = out}))
local write = {'v', int(s), 'q' .. n, prints}
for i = 6, #ARGV do write[#write + 1] = ARGV[i] end
for name, v in pairs(set) do if v ~= '' then write[#write + 1] = name; write[#write + 1] = v end end
redis.call('HSET', LEAD, unpack(write))
redis.call('HSET', RECORD, 'r' .. n, ARGV[2])
redis.call('ZADD', LEADS, int(R.at), lead)
redis.call('ZADD', UA, int(R.at), lead)
if R.due > 0 then redis.call('ZADD', UD, int(R.due), lead) end
if state == 'waiting' then redis.call('ZADD', WAIT, int(R.at), lead) else redis.call('HINCRBY', UNT, owner, 1) end
set_timers(lead, timers)
redis.call('HSET', LAST, label, int(R.at))
print_(lead)
remember(alive and 't' or 'n', lead)
save_people()
flush()
return answer({d = alive and 'touch' or 'new', lead = lead, owner = owner, cover = cover and cover.id or '', state = state, seq = s})
