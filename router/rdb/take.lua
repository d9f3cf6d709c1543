-- take decides arrivals: replay, same enquiry, same customer, else whose turn; the first and the last of these in plain.lua, where it is plain.
-- KEYS from 14 on of each arrival its token shard, the new lead, its personal record and of each print its shard; then, of one that is alone,
-- for each of R.cand its lead and its record.
-- ARGV as request.lua names them; of each print its field, which begins with its kind, and that of the last name.
-- Returns {event, owner} of a plain new lead; {disposition, lead, owner, who covers, state, event}; {letter, 'again' where it was at this very
-- place, id} of what was decided before; {'more'}: call again with it alone and SELDOM, which was empty; {'match', leads...}: and with these as
-- candidates, their keys named; {'late', lead}: something happened to that lead later than AT; call again with R.late, what router derives the
-- lead to be: its id, v, and counts, set, z and unt as change takes them. Of several arrivals it returns as many of these as it looked at.
local function cand(i) return KEYS[K - 1 + PRINTS + 2 * i], KEYS[K + PRINTS + 2 * i] end

-- 2. the same customer? Emails before phones before names, of each the newest first.
local matches, seen, gone = {}, {}, 0
for n = 1, PRINTS do
  local s, kind = stored[n], string.sub(ARGV[A + 2 * n - 1], 1, 1)
  if s then
    local list, lasts, names, tomb = {}, {}, 0, 0
    local mine = ARGV[A + 2 * n]
    for lead, last in string.gmatch(s, '([^:,]+):([^:,]*)') do
      if string.byte(lead) ~= 33 then list[#list + 1] = {lead, last}
      elseif kind ~= 'p' or mine == '' or last == '' or mine == last then tomb = math.max(tomb, tonumber(string.sub(lead, 2))) end
      if last ~= '' and not lasts[last] then lasts[last] = true; names = names + 1 end
    end
    if names < 3 then -- three last names on one identifier: it identifies nobody
      gone = math.max(gone, tomb)
      for i = #list, 1, -1 do
        local lead, last = list[i][1], list[i][2]
        local differ = kind == 'p' and mine ~= '' and last ~= '' and mine ~= last
        if not differ and not seen[lead] and #matches < 8 then
          seen[lead] = true
          matches[#matches + 1] = lead
        end
      end
    end
  end
end
-- What was written before its customer was forgotten does not bring them back.
local more = SELDOM ~= ''
if gone > 0 and more and R.written <= gone then return {'forgotten', '', '', '', '', 0} end
local declared = {}
if #matches > 0 then
  for i, id in ipairs(more and R.cand or {}) do declared[id] = i end
  for _, id in ipairs(matches) do
    if not declared[id] then return {'match', unpack(matches)} end
  end
end

if not more then return {'more'} end

local label, past = SOURCE, R.past
if KNOWN == '' and not meta[10] then
  -- The past takes no label from the sources of the present.
  if not past and tonumber(redis.call('HGET', META, 'labels') or 0) < R.smax then
    redis.call('HSET', META, ASKED, '0')
    redis.call('HINCRBY', META, 'labels', 1)
  else
    label = 'other'
  end
end
-- hear notes when the last lead of the label came.
local function hear() redis.call('HSET', META, 's:' .. label, AT) end

local function remember(letter, lead) redis.call('HSET', TOK, TOKEN, letter .. PLACE .. ' ' .. lead) end

local function arrival(disposition)
  return table.concat({AT, R.ch, SOURCE, disposition}, '|')
end

-- A copy is kept beside the arrival that it repeats, whether that lead lives, is over or was void; what only says of itself that it was sent
-- before, beside the first that was a lead. Of a lead's arrivals the first and the newest 63 are looked at.
-- What is recorded of the past joins the lead that lived then.
local at = tonumber(AT)
local when = past and at or now
local alive, former, beside, first
for _, id in ipairs(matches) do
  local key, record = cand(declared[id])
  local f = read(key, 'st', 'ar', 'la', 'ow', 'n', 'hy', 'pk')
  if f[1] then
    local void, closed = f[1] == 'void', (f[1] == 'sold' or f[1] == 'lost') and not (past and when <= tonumber(f[3]))
    local x = {id = id, key = key, record = record, n = tonumber(f[5]), owner = f[4], state = f[1], ar = tonumber(f[2]), la = tonumber(f[3]), past = f[6]}
    x.nobodys = f[6] and not f[7] -- recorded, and nobody ever had it
    local names = {'t1', 'q1'}
    for i = math.max(2, x.n - 62), x.n do names[#names + 1] = 't' .. i; names[#names + 1] = 'q' .. i end
    local v = read(key, unpack(names))
    for i = 1, #names, 2 do
      local was = string.match(v[i] or '', '^(%d+)|')
      local ids, content = string.match(v[i + 1] or '', '^([^|]*)|([^|]*)$')
      if was and ids and (R.idp ~= '' and ids == R.idp or R.cop ~= '' and content == R.cop and math.abs(at - was) <= R.same) then beside = x end
    end
    if beside then break end
    if not first or first.state == 'void' and not void then first = x end
    if not void then
      if not alive and not closed and when - x.ar <= R.created and when - x.la <= R.active and x.ar - when <= R.active then alive = x end
      if not former and not x.nobodys then former = f[4] end
    end
  end
end
beside = beside or first and R.resend and first
if beside then
  local n = int(beside.n + 1)
  local t = arrival('duplicate')
  if not past then count('dup|' .. label) end
  local s = event('duplicate', beside.id, BY, {['t' .. n] = t, n = n})
  redis.call('HSET', beside.key, 'v', int(s), 't' .. n, t, 'n', n, 'q' .. n, REPEATS)
  redis.call('HSET', beside.record, 'r' .. n, RECORDED)
  for n = 1, PRINTS do hold(n, beside.id) end -- a copy may mend the address
  remember('d', beside.id)
  flush()
  return {'duplicate', beside.id, beside.owner, '', beside.state, s}
end

-- The past is recorded: nobody is dealt it, told of it or timed by it.
if past then
  local lead, key, record, n, set = ID, LEAD, RECORD, 1, {}
  if alive then
    lead, key, record, n = alive.id, alive.key, alive.record, alive.n + 1
    if alive.past then
      set.la = int(math.max(at, alive.la))
      if at < alive.ar then set.ar = AT end
    end
  else
    set = R.fields
    set.sl, set.ow, set.st, set.hy, set.fe = label, R.named ~= '' and R.named or R.holder, 'history', '1', int(seq + 1)
    if R.named ~= '' then set.pk = '1' end
    count('hist|' .. label)
  end
  set['t' .. n], set.n = arrival('history'), int(n)
  local s = event('recorded', lead, BY, set)
  write(key, int(s), set, 'q' .. n, REPEATS)
  redis.call('HSET', record, 'r' .. n, RECORDED)
  if not alive or set.ar then redis.call('ZADD', LEADS, AT, lead) end
  for n = 1, PRINTS do hold(n, lead) end
  remember(alive and 't' or 'n', lead)
  flush()
  return {alive and 'touch' or 'new', lead, set.ow or '', '', set.st or '', s}
end

-- 3. the same customer while their lead lives: a touch. No turn, the same owner; where the owner is off, the next in turn covers.
if alive and not alive.nobodys then
  local f = read(alive.key, 'ow', 'st', 'ra', 'rr', 'rc', 'td', 'sl', 'la', 'tp', 'pk', 'dl', 'v', 'tw', 'tr', 'tx')
  local owner, state = f[1], f[2]
  local late = not alive.past and at <= tonumber(f[8]) -- an arrival comes before what is done at the same instant
  if late then
    late = R.late
    if not late or late.id ~= alive.id or late.v ~= tonumber(f[12]) then return {'late', alive.id} end
  end
  local n = int(alive.n + 1)
  local set = {['t' .. n] = arrival('touch'), n = n, la = int(math.max(at, tonumber(f[8])))}
  local timers = {}
  local cover
  if not (steady(WORD) and string.find(meta[8], ';' .. owner .. ' ', 1, true)) then
    muster()
    stand()
    local o = byid[owner]
    if state ~= 'waiting' and R.rostered and (not o or o.status == 'off') and not R.managers[owner] then
      cover = next_up({[owner] = true})
    end
  end
  if late then
    set, state = late.set, late.set.st or state
    for name, n in pairs(late.counts) do count(name, n) end
    f[3], f[4], f[5] = '', '', '' -- its clocks were decided by router
  end
  set.cb = cover and cover.id or ''
  if not f[3] then
    set.st, set.ra = 'untouched', AT
    state = 'untouched'
    timers.w = R.timers.w
    if not f[10] then timers.r = R.timers.r end -- who was picked by hand keeps it
  end
  if not f[4] then
    set.rr, set.dl = AT, R.due
    -- the clock before this one was stopped; if its deadline is still to come it was met
    if f[6] then count('due|' .. f[7]) end
    if f[9] then count('pdue|' .. owner) end
    timers.d, timers.p = R.timers.d, R.timers.p
  end
  if not f[5] then set.rc = AT end
  if alive.past then -- recorded until now, with its owner
    set.hy, set.sl, set.ar, set.as = '', label, AT, int(now)
    count('recv|' .. label)
    count('asg|' .. owner)
    redis.call('ZADD', LEADS, set.ar, alive.id)
  end
  for code, due in pairs(timers) do set['t' .. code] = int(due) end
  count('touch|' .. label)
  if CLOSED ~= '' then count('closed|' .. label) end
  if not f[3] then
    count('h|assignment|' .. label .. '|' .. BUCKET)
    count('hs|assignment|' .. label, tonumber(WAITED))
  end
  local deal = {to = owner, cover = cover and cover.id, reason = 'same customer'}
  local s = event('touch', alive.id, BY, set, deal_json(cover and among(deal) or deal))
  if late then
    change(alive.id, alive.key, late, s)
    redis.call('HSET', alive.key, 'q' .. n, REPEATS)
  else
    write(alive.key, int(s), set, 'q' .. n, REPEATS)
    if set.ra then
      redis.call('ZADD', UA, set.ra, alive.id)
      redis.call('HINCRBY', UNT, owner, 1)
    end
    wind(alive.id, (state == 'untouched' or state == 'waiting') and (set.dl or f[11]), timers.d or f[6], timers.p or f[9], timers.w or f[13], timers.r or f[14], f[15])
  end
  redis.call('HSET', alive.record, 'r' .. n, RECORDED)
  hear()
  for n = 1, PRINTS do hold(n, alive.id) end
  remember('t', alive.id)
  save_people()
  flush()
  return {'touch', alive.id, owner, set.cb, state, s}
end

-- 4. a new lead, or one that nobody ever had: its arrival is this one, those that were recorded stand beside it
local lead, n = ID, 1
if alive then lead, n, LEAD, RECORD, former = alive.id, alive.n + 1, alive.key, alive.record, nil end
local kind, owner, cost, cover, deal, pass = 'dealt', nil, nil, nil, {}, ''
local state, reason, pin = 'untouched', '', nil
muster()
stand()
local named, ignored = R.named, nil
if named == '?' then
  named, ignored = '', 'the salesperson named is not on the roster'
elseif named ~= '' and R.present and (not byid[named] or byid[named].status == 'off') then
  named, ignored = '', 'the salesperson named is off'
end
if R.fixed ~= '' then
  kind, owner, reason, ignored = 'desk', R.fixed, 'desk ' .. R.desk, nil
elseif named ~= '' then
  kind, owner, reason = 'named', named, 'named by a trusted source'
  if byid[owner] then cost = charge(byid[owner], false) end
  if R.present then pin = {pk = '1', tr = ''} end -- like a pick by hand
elseif former and byid[former] then
  kind, owner, reason = 'returned', former, 'former owner of the customer\'s last lead'
  if byid[former].status == 'off' then cover = next_up({[former] = true}) end
  cost = charge(byid[former], false)
else
  among(deal)
  local p = next_up()
  -- Whoever waits longest is dealt first: a newcomer does not pass those who are held.
  if p and redis.call('ZCARD', WAIT) == 0 then
    owner, pass = p.id, int(p.pass)
    cost = charge(p, true)
  else
    kind, owner, state, reason = 'held', R.holder, 'waiting', p and 'others wait before it' or 'nobody is eligible'
  end
end
if ignored then reason = (reason == '' and 'rotation' or reason) .. '; ' .. ignored end

count('recv|' .. label)
count('touch|' .. label)
if CLOSED ~= '' then count('closed|' .. label) end
local timers = R.timers
if state == 'waiting' then
  timers = {d = timers.d}
else
  if pin then timers.r = nil end
  count('asg|' .. owner)
  count('h|assignment|' .. label .. '|' .. BUCKET)
  if WAITED ~= '0' then count('hs|assignment|' .. label, tonumber(WAITED)) end
end
cost = cost and int(cost) or ''
cover = cover and cover.id or ''
local s = int(seq + 1)
if alive then
  local set = R.fields
  for code, due in pairs(timers) do set['t' .. code] = int(due) end
  set.sl, set.ow, set.st, set.n, set['t' .. int(n)], set.hy, set.cb = label, owner, state, int(n), arrival('touch'), '', cover
  set.la = int(math.max(at, alive.la))
  if state ~= 'waiting' then set.as = int(now) end
  if cost ~= '' then set['c.' .. owner] = cost end
  if pin then set.pk = pin.pk end
  deal.to, deal.cover, deal.cost, deal.reason = owner, cover, tonumber(cost), reason == '' and 'rotation' or reason
  event(kind, lead, BY, set, deal_json(deal))
  write(LEAD, s, set, 'q' .. int(n), REPEATS)
else
  local waiting = state == 'waiting'
  local st, after = waiting and 'w' or '', int(now - at)
  local o = table.concat({SOURCE, owner, cost}, '|')
  local sl = label ~= SOURCE and label or ''
  local full = deal['in'] or deal.out
  event(kind, lead, BY, pin, full and deal_json({['in'] = deal['in'], out = deal.out}), nil,
    table.concat({st, after, BIRTH, o, sl, cover, waiting and '' or BUCKET, WAITED, CLOSED, pass, deal.since and int(deal.since) or '', reason}, '|'))
  redis.call('HSET', LEAD, 'v', s, 'b', table.concat({s, st, after, AT, BIRTH}, '|'), 'o', o, 'q1', REPEATS, unpack(sl ~= '' and {'sl', sl} or {}))
  if cover ~= '' then redis.call('HSET', LEAD, 'cb', cover) end
  if pin then redis.call('HSET', LEAD, 'pk', pin.pk, 'tr', pin.tr) end
end
redis.call('HSET', RECORD, 'r' .. int(n), RECORDED)
redis.call('ZADD', LEADS, AT, lead)
redis.call('ZADD', UA, AT, lead)
wind(lead, R.due, timers.d, timers.p, timers.w, timers.r)
if state == 'waiting' then redis.call('ZADD', WAIT, AT, lead) else redis.call('HINCRBY', UNT, owner, 1) end
hear()
for n = 1, PRINTS do hold(n, lead) end
remember(alive and 't' or 'n', lead)
save_people()
flush()
return {alive and 'touch' or 'new', lead, owner, cover, state, seq}
