-- Shared by the scripts of a store, after head.lua.
local TURN = 720720

local function hash(key)
  local t, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do t[flat[i]] = flat[i + 1] end
  return t
end

-- writes are collected and done at the end
local counts, anycount = {}, false
local function count(name, n) counts[name] = (counts[name] or 0) + (n or 1); anycount = true end

local events = {}
-- event appends one event. set is a table, deal and detail are JSON texts, birth is what take tells of a new lead; each may be nil.
local function event(kind, lead, by, set, deal, detail, birth)
  seq = seq + 1
  local e = {'k', kind, 't', int(now)}
  local function add(name, v) if v and v ~= '' then e[#e + 1] = name; e[#e + 1] = v end end
  add('l', lead); add('n', birth); add('b', by); add('a', R.actor)
  if set and next(set) then add('s', cjson.encode(set)) end
  add('d', deal); add('x', detail)
  events[#events + 1] = {seq, e, birth}
  return seq
end

-- What becomes of the line, see head.lua; nil: as it was, '': not known.
local line, floor

-- flush writes counters and events; the counters are told by the last event, unless they follow from the birth that it tells.
local function flush()
  if #events == 0 then return end
  if anycount then
    local c = {}
    for name, n in pairs(counts) do
      redis.call('HINCRBY', CNT, name, int(n))
      c[name] = n
    end
    local e = events[#events]
    if not e[3] then e[2][#e[2] + 1] = 'c'; e[2][#e[2] + 1] = cjson.encode(c) end
  end
  local m = {'seq', int(seq), 'last', int(now), 'gen', int(gen)}
  if ref then m[7], m[8] = 'ref', int(ref) end
  if line then m[#m + 1] = 'line'; m[#m + 1] = line end
  if floor then m[#m + 1] = 'floor'; m[#m + 1] = floor end
  if told and told ~= tonumber(meta[9] or '') then m[#m + 1] = 'told'; m[#m + 1] = int(told) end
  redis.call('HSET', META, unpack(m))
  for _, e in ipairs(events) do
    redis.call('XADD', EV, int(e[1]) .. '-0', unpack(e[2]))
  end
end

-- A lead's fields are b and o as it was born, see pack.go, and each that has changed since; an empty one is gone.
local function born(b, o)
  local t = {n = '1', sl = nil}
  local st, d, owner, cost
  t.fe, st, t.as, t.ar, t.ch, t.dk, t.dl, t.tw, d, t.tp, t.tr = string.match(b, '^(%d+)|(%a*)|(%d*)|(%d+)|([^|]*)|([^|]*)|(%d*s?)|(%d*s?)|([%d=]*s?)|(%d*s?)|(%d*s?)$')
  t.so, t.ow, cost = string.match(o, '^([^|]*)|([^|]*)|(%d*)$')
  if t.ch == '' then t.ch = 'email' end
  if t.dk == '' then t.dk = 'sales' end
  t.td = d == '=' and t.dl or d
  t.st, t.sl = st == 'w' and 'waiting' or 'untouched', t.so
  if st == 'w' then t.as, t.tw, t.tp, t.tr = '', '', '', '' end
  for _, name in ipairs({'as', 'dl', 'tw', 'td', 'tp', 'tr'}) do
    local n, s = string.match(t[name], '^(%d+)(s?)$')
    t[name] = n and int(t.ar + n * (s == 's' and 1000 or 1)) or ''
  end
  t.la, t.ra, t.rr, t.rc = t.ar, t.ar, t.ar, t.ar
  t.t1 = table.concat({t.ar, t.ch, t.so, 'new'}, '|')
  if cost ~= '' then t['c.' .. t.ow] = cost end
  return t
end

-- read gives fields of a lead in the order asked for, false for one that it has not.
local function read(key, ...)
  local names, v = {...}, redis.call('HMGET', key, 'b', 'o', ...)
  local first
  for i, name in ipairs(names) do
    local x = v[i + 2]
    if not x and v[1] then
      first = first or born(v[1], v[2])
      x = first[name]
    end
    names[i] = x and x ~= '' and x
  end
  return names
end

-- write sets fields of a lead; an empty value removes.
local function write(key, version, set, ...)
  local w, b = {'v', version, ...}, redis.call('HEXISTS', key, 'b') == 1
  local drop = {}
  for name, v in pairs(set) do
    if v ~= '' or b then w[#w + 1] = name; w[#w + 1] = v else drop[#drop + 1] = name end
  end
  redis.call('HSET', key, unpack(w))
  if #drop > 0 then redis.call('HDEL', key, unpack(drop)) end
end

-- id makes a JSON string of a word that holds nothing to escape; whatever people write goes through quote.
local function id(s) return '"' .. s .. '"' end
local quote = cjson.encode

local function object(pairs_)
  if #pairs_ == 0 then return nil end
  return '{' .. table.concat(pairs_, ',') .. '}'
end

-- The floor: R.floor is 'id on weight cap,' for each of the roster as configuration and schedule have it at this instant.
local people, byid = {}, {}
-- The third part says whether somebody was eligible, 1, or is skipped for what: the first letter of off, busy, cap or gone.
local function pack(p)
  return table.concat({int(p.pass), int(p.last), p.was and '1' or p.skip, int(p.turns), int(p.gen == gen and p.since or 0), int(gen)}, '|')
end

local function unpack_person(p, s)
  local pass, last, was, turns, since, g = string.match(s, '^(-?%d+)|(%d+)|(%w)|(%d+)|(-?%d+)|(%d+)$')
  p.pass, p.last, p.was, p.turns, p.since, p.gen, p.skip = tonumber(pass), tonumber(last), was == '1', tonumber(turns), tonumber(since), tonumber(g), was
end

-- rotation is how everybody stands, as rot tells it, and how many leads each in line was dealt that were not counted yet.
local function rotation()
  local rot, lined = hash(ROT), {}
  for who, pass, last, turns, since, dealt in string.gmatch(meta[8] or '', '([^; ]+) %d+ (%d+) (%d+) (%d+) (%-?%d+) (%d+);') do
    rot[who], lined[who] = table.concat({pass, last, '1', turns, since, int(gen)}, '|'), tonumber(dealt)
  end
  return rot, lined
end

-- leave counts what somebody was dealt who leaves the line.
local function leave(who, dealt)
  if dealt > 0 then
    redis.call('HINCRBY', UNT, who, int(dealt))
    redis.call('HINCRBY', CNT, 'asg|' .. who, int(dealt))
  end
end

-- disband ends the line: everybody stands in rot.
local function disband()
  local rot, lined = rotation()
  for who, dealt in pairs(lined) do
    redis.call('HSET', ROT, who, rot[who])
    leave(who, dealt)
  end
  for _, p in ipairs(people) do p.lined = p.lined and 0 end
  meta[8], line, floor = '', '', '- 0'
end

-- muster reads who is eligible and admits or drops people; changes, and of whoever is skipped the reason, are told by stand.
local changed, news, admitted, joined, refused = false, false, {}, {}, nil
local mustered, expires, capped = false, 0, false
local function muster()
  mustered = true
  local rot, lined = rotation()
  local hand = hash(HAND)
  local unt
  local top = 0
  for who, on, weight, cap in string.gmatch(R.floor, '(%S+) (%d) (%d+) (%d+),') do
    local p = {id = who, lined = lined[who], weight = tonumber(weight), cap = tonumber(cap), status = on == '1' and 'on' or 'off', by = 'schedule'}
    local s = rot[p.id]
    if s then unpack_person(p, s); if p.pass > top then top = p.pass end end
    local h = hand[p.id]
    if h then
      local status, till, who = string.match(h, '^(%a+)|(%d+)|(.*)$')
      till = tonumber(till)
      if till == 0 or till > now then
        p.status, p.by, p.till = status, 'hand', till
        if till > 0 and (expires == 0 or till < expires) then expires = till end
      end
    end
    if p.cap > 0 then
      capped = true
      unt = unt or hash(UNT)
      p.unt = tonumber(unt[p.id] or 0) + (p.lined or 0)
    end
    p.eligible = p.status == 'on'
    if not p.eligible then p.why = p.status
    elseif p.cap > 0 and p.unt >= p.cap then p.eligible = false; p.why = 'cap' end
    people[#people + 1] = p
    byid[p.id] = p
  end
  -- whoever left the roster is no longer eligible
  for who, s in pairs(rot) do
    if not byid[who] and string.match(s, '^-?%d+|%d+|1') then
      local p = {id = who, lined = lined[who], weight = 1, gone = true}
      unpack_person(p, s)
      p.was, p.skip, p.dirty = false, 'g', true
      people[#people + 1] = p
      changed = true
    end
  end
  -- the reference of an admission: the lowest pass of those already eligible, or of those eligible at the last turn dealt
  local base
  for _, p in ipairs(people) do
    if not p.gone and p.pass and p.was and p.eligible and (not base or p.pass < base) then base = p.pass end
  end
  base = base or ref
  for _, p in ipairs(people) do
    if not p.gone then
      if not p.pass then -- new on the roster: at the back
        p.pass, p.last, p.was, p.turns, p.since, p.gen = top, seq + 1, false, 0, 0, gen
        joined[#joined + 1] = id(p.id) .. ':' .. int(top)
        p.dirty, changed = true, true
      end
      if p.eligible and not p.was then
        if base then
          local least = base - R.catchup * (TURN / p.weight)
          if p.pass < least then p.pass = least end
        end
        admitted[#admitted + 1] = id(p.id) .. ':' .. int(p.pass)
        p.was, p.dirty, changed = true, true, true
      elseif p.was and not p.eligible then
        p.was, p.dirty, changed = false, true, true
      end
      local skip = p.why and string.sub(p.why, 1, 1)
      if skip and p.skip ~= skip then p.skip, p.dirty, news = skip, true, true end
    end
  end
  refused = base
end

-- sides tells who is in with which pass, and who is out for what.
local function sides()
  local i, o = {}, {}
  for _, p in ipairs(people) do
    if p.gone then
    elseif p.eligible then i[#i + 1] = id(p.id) .. ':' .. int(p.pass)
    else o[#o + 1] = id(p.id) .. ':' .. id(p.why) end
  end
  return object(i), object(o)
end

-- among tells of a deal who it was decided among: how many events ago that was told, or anew where it is long ago.
local function among(deal)
  if told and seq + 1 - told < MOST then
    deal.since = seq + 1 - told
  else
    deal['in'], deal.out = sides()
    told = seq + 1
  end
  return deal
end

local function deal_json(t)
  local f = {}
  for _, name in ipairs({'to', 'cover', 'reason'}) do if t[name] and t[name] ~= '' then f[#f + 1] = id(name) .. ':' .. quote(t[name]) end end
  for _, name in ipairs({'cost', 'ref', 'since'}) do if t[name] then f[#f + 1] = id(name) .. ':' .. int(t[name]) end end
  for _, name in ipairs({'in', 'out', 'missed', 'admitted', 'joined', 'back', 'apart'}) do if t[name] then f[#f + 1] = id(name) .. ':' .. t[name] end end
  return '{' .. table.concat(f, ',') .. '}'
end

-- part leaves out of the comparison, until the floor changes again, whoever does not stand where the others begin: owed turns by a return,
-- or ahead by a pick, a re-deal or a return. Those who are left get the same number of turns, or one more.
local function part()
  local from = refused
  if not from then
    for _, p in ipairs(people) do if p.eligible and (not from or p.pass < from) then from = p.pass end end
  end
  local apart = {}
  for _, p in ipairs(people) do
    if p.eligible and (p.pass < from or p.pass > from + TURN / p.weight) then
      p.since, p.gen, p.dirty = -1, gen, true
      apart[#apart + 1] = id(p.id)
    end
  end
  return #apart > 0 and '[' .. table.concat(apart, ',') .. ']' or nil
end

-- stand makes a change of the floor known by an event of its own, before any deal that rests on it.
local function stand(detail, by)
  if not changed and not news and not detail then return end
  local apart
  if changed then
    gen = gen + 1
    apart = part()
  end
  local i, o = sides()
  told = event('floor', nil, by, nil, deal_json({['in'] = i, out = o, admitted = object(admitted), joined = object(joined), ref = refused, apart = apart}), detail)
  changed, news = false, false
end

-- next_up is the eligible person with the lowest pass, of these the one whose last turn is longest ago, of these the smaller id.
local function next_up(missed)
  local best
  for _, p in ipairs(people) do
    if not p.gone and p.eligible and not (missed and missed[p.id]) then
      if not best or p.pass < best.pass or (p.pass == best.pass and (p.last < best.last or (p.last == best.last and p.id < best.id))) then best = p end
    end
  end
  return best
end

-- charge books a turn on p, in the event that is to come. Whoever was charged but not dealt to in turn (manual pick, re-deal, returning
-- customer) is not to be compared with the others until the floor changes: since is -1 then.
local function charge(p, dealt)
  local cost = TURN / p.weight
  p.pass, p.last, p.dirty = p.pass + cost, seq + 1, true
  p.turns = p.turns + 1
  if p.gen ~= gen then p.since = 0 end
  if not dealt then p.since = -1 elseif p.since >= 0 then p.since = p.since + 1 end
  p.gen = gen
  local low
  for _, q in ipairs(people) do
    if not q.gone and q.eligible and (not low or q.pass < low) then low = q.pass end
  end
  if low then ref = low end
  return cost
end

-- wind sets when something next falls due of a lead: dl its deadline, empty or nil unless it is untouched; td and the others its timers, of
-- which an empty one does not run. A deadline to come stands among the deadlines alone, unless another timer goes off before it.
local function wind(lead, dl, td, ...)
  local first = tonumber(td or '')
  for i = 1, select('#', ...) do
    local at = tonumber((select(i, ...)) or '')
    if at and (not first or at < first) then first = at end
  end
  dl = tonumber(dl or '')
  local to_come = dl and dl == tonumber(td or '')
  if to_come then redis.call('ZADD', UD, int(dl), lead) else redis.call('ZREM', UD, lead) end
  if dl and not to_come then redis.call('ZADD', OVER, int(dl), lead) else redis.call('ZREM', OVER, lead) end
  if first and not (to_come and first == dl) then redis.call('ZADD', DUE, int(first), lead) else redis.call('ZREM', DUE, lead) end
end

-- save_people writes who changed, into the line where one can be kept, else into rot.
local function save_people()
  if not mustered or #events == 0 then return end -- all stands as it stood
  local q, w = {}, {}
  for _, p in ipairs(people) do
    if p.eligible then q[#q + 1] = p end
  end
  -- Whoever is capped comes and goes with every lead; those who are held come first.
  local kept = not capped and #q > 0 and redis.call('ZCARD', WAIT) == 0
  for _, p in ipairs(people) do
    if p.lined then leave(p.id, p.lined) end
    if (p.dirty or p.lined) and not (kept and p.eligible) then w[#w + 1] = p.id; w[#w + 1] = pack(p) end
  end
  if #w > 0 then redis.call('HSET', ROT, unpack(w)) end
  line, floor = '', '- 0'
  if not kept then return end
  table.sort(q, function(a, b)
    if a.pass ~= b.pass then return a.pass < b.pass end
    if a.last ~= b.last then return a.last < b.last end
    return a.id < b.id
  end)
  line, floor = int(q[#q].pass) .. ';', R.word .. ' ' .. int(expires)
  for i, p in ipairs(q) do
    q[i] = table.concat({p.id, int(TURN / p.weight), int(p.pass), int(p.last), int(p.turns), int(p.gen == gen and p.since or 0), '0'}, ' ') .. ';'
  end
  line = line .. table.concat(q)
end

-- change writes what router derived a lead to be: c.set fields ('' removes), c.z {letter of a sorted set: score or -1},
-- c.unt {person: n}. s is the number of the event that tells of it.
local function change(lead, key, c, s)
  write(key, int(s), c.set)
  if (c.z.w or -1) >= 0 then disband() end
  local zsets = {a = UA, d = UD, v = OVER, w = WAIT, o = OWED, l = LEADS, t = DUE}
  for letter, score in pairs(c.z) do
    if score >= 0 then redis.call('ZADD', zsets[letter], int(score), lead) else redis.call('ZREM', zsets[letter], lead) end
  end
  for person, n in pairs(c.unt) do redis.call('HINCRBY', UNT, person, int(n)) end
end

-- give_back takes turns off passes, [[person, cost]], and tells whose.
local function give_back(all)
  local back = {}
  if all and #all > 0 then disband() end
  for _, b in ipairs(all or {}) do
    local s = redis.call('HGET', ROT, b[1])
    if s then
      local p = {}
      unpack_person(p, s)
      p.pass = math.max(0, p.pass - b[2])
      p.since, p.gen = -1, gen -- not to be compared until the floor changes
      redis.call('HSET', ROT, b[1], pack(p))
      back[#back + 1] = id(b[1]) .. ':' .. int(b[2])
    end
  end
  return object(back)
end
