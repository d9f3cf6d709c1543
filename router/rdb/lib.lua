-- Shared by every script of a store. ARGV[1] is a request in JSON.
-- KEYS 1 meta 2 ev 3 rot 4 hand 5 unt 6 cnt 7 leads 8 wait 9 ua 10 ud 11 due 12 owed 13 src 14 last; from 15 on the script's own.
-- A script reads and checks first and writes last: Redis does not roll back.
local R = cjson.decode(ARGV[1])
local META, EV, ROT, HAND, UNT, CNT, LEADS, WAIT, UA, UD, DUE, OWED, SRC, LAST = unpack(KEYS, 1, 14)
local TURN = 720720

local function int(n) return string.format('%.0f', n) end

local meta = redis.call('HMGET', META, 'seq', 'last', 'gen', 'ref', 'wl', 'epoch')
if not meta[6] or R.epoch ~= '' and R.epoch ~= meta[6] then return redis.error_reply('UNOPENED the store has no keys, or others than were opened') end
local seq, gen, ref = tonumber(meta[1] or 0) or 0, tonumber(meta[3] or 0) or 0, tonumber(meta[4] or '')
-- The clock of a store never goes back.
local now = math.max(R.now, tonumber(meta[2] or 0) or 0)

local function hash(key)
  local t, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do t[flat[i]] = flat[i + 1] end
  return t
end

-- writes are collected and done at the end
local counts, anycount = {}, false
local function count(name, n) counts[name] = (counts[name] or 0) + (n or 1); anycount = true end

local events = {}
-- event appends one event. set is a table or a JSON text, deal and detail are JSON texts; each may be nil.
local function event(kind, lead, by, set, deal, detail)
  seq = seq + 1
  local e = {'k', kind, 't', int(now)}
  local function add(name, v) if v and v ~= '' then e[#e + 1] = name; e[#e + 1] = v end end
  add('l', lead); add('b', by); add('a', R.actor)
  if set and (type(set) == 'string' or next(set)) then add('s', type(set) == 'string' and set or cjson.encode(set)) end
  add('d', deal); add('x', detail)
  events[#events + 1] = {seq, e}
  return seq
end

-- flush writes counters and events; the counters are told by the last event.
local function flush()
  if #events == 0 then return end
  if anycount then
    local c = {}
    for name, n in pairs(counts) do
      redis.call('HINCRBY', CNT, name, int(n))
      c[name] = n
    end
    local e = events[#events][2]
    e[#e + 1] = 'c'; e[#e + 1] = cjson.encode(c)
  end
  redis.call('HSET', META, 'seq', int(seq), 'last', int(now), 'gen', int(gen), unpack(ref and {'ref', int(ref)} or {}))
  for _, e in ipairs(events) do
    redis.call('XADD', EV, int(e[1]) .. '-0', unpack(e[2]))
  end
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
local function pack(p)
  return table.concat({int(p.pass), int(p.last), p.was and '1' or '0', int(p.turns), int(p.gen == gen and p.since or 0), int(gen)}, '|')
end

local function unpack_person(p, s)
  local pass, last, was, turns, since, g = string.match(s, '^(-?%d+)|(%d+)|(%d)|(%d+)|(-?%d+)|(%d+)$')
  p.pass, p.last, p.was, p.turns, p.since, p.gen = tonumber(pass), tonumber(last), was == '1', tonumber(turns), tonumber(since), tonumber(g)
end

-- muster reads who is eligible and admits or drops people. It returns whether anything changed; changes are written by stand.
local changed, admitted, joined, refused = false, {}, {}, nil
local function muster()
  local rot, hand = hash(ROT), hash(HAND)
  local unt
  local top = 0
  for who, on, weight, cap in string.gmatch(R.floor, '(%S+) (%d) (%d+) (%d+),') do
    local p = {id = who, weight = tonumber(weight), cap = tonumber(cap), status = on == '1' and 'on' or 'off', by = 'schedule'}
    local s = rot[p.id]
    if s then unpack_person(p, s); if p.pass > top then top = p.pass end end
    local h = hand[p.id]
    if h then
      local status, till, who = string.match(h, '^(%a+)|(%d+)|(.*)$')
      till = tonumber(till)
      if till == 0 or till > now then p.status, p.by, p.till = status, 'hand', till end
    end
    if p.cap > 0 then
      unt = unt or hash(UNT)
      p.unt = tonumber(unt[p.id] or 0)
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
      local p = {id = who, weight = 1, gone = true}
      unpack_person(p, s)
      p.was = false
      p.dirty = true
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
    end
  end
  refused = base
  return changed
end

-- sides tells who is in with which pass, and who is out for what.
local function sides(missed)
  local i, o = {}, {}
  for _, p in ipairs(people) do
    if not p.gone then
      if p.eligible and not (missed and missed[p.id]) then i[#i + 1] = id(p.id) .. ':' .. int(p.pass)
      elseif p.eligible then o[#o + 1] = id(p.id) .. ':"missed"'
      else o[#o + 1] = id(p.id) .. ':' .. id(p.why) end
    end
  end
  return object(i), object(o)
end

local function deal_json(t)
  local f = {}
  for _, name in ipairs({'to', 'cover', 'reason'}) do if t[name] and t[name] ~= '' then f[#f + 1] = id(name) .. ':' .. quote(t[name]) end end
  for _, name in ipairs({'cost', 'ref'}) do if t[name] then f[#f + 1] = id(name) .. ':' .. int(t[name]) end end
  for _, name in ipairs({'in', 'out', 'missed', 'admitted', 'joined', 'back'}) do if t[name] then f[#f + 1] = id(name) .. ':' .. t[name] end end
  return '{' .. table.concat(f, ',') .. '}'
end

-- stand makes a change of the floor known by an event of its own, before any deal that rests on it.
local function stand(detail, by)
  if not changed and not detail then return end
  if changed then gen = gen + 1 end
  local i, o = sides()
  event('floor', nil, by, nil, deal_json({['in'] = i, out = o, admitted = object(admitted), joined = object(joined), ref = refused}), detail)
  changed = false
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

-- timers sets those that run, in one call.
local function set_timers(lead, timers)
  local z = {}
  for code, at in pairs(timers) do z[#z + 1] = int(at); z[#z + 1] = code .. '|' .. lead end
  if #z > 0 then redis.call('ZADD', DUE, unpack(z)) end
end

local function save_people()
  for _, p in ipairs(people) do
    if p.dirty then redis.call('HSET', ROT, p.id, pack(p)) end
  end
end

-- change writes what router derived a lead to be: c.set fields ('' removes), c.z {letter of a sorted set: score or -1}, c.due {code: ms or -1},
-- c.unt {person: n}. s is the number of the event that tells of it.
local function change(lead, key, c, s)
  local write, drop = {'v', int(s)}, {}
  for name, v in pairs(c.set) do
    if v ~= '' then write[#write + 1] = name; write[#write + 1] = v else drop[#drop + 1] = name end
  end
  redis.call('HSET', key, unpack(write))
  if #drop > 0 then redis.call('HDEL', key, unpack(drop)) end
  local zsets = {a = UA, d = UD, w = WAIT, o = OWED, l = LEADS}
  for letter, score in pairs(c.z) do
    if score >= 0 then redis.call('ZADD', zsets[letter], int(score), lead) else redis.call('ZREM', zsets[letter], lead) end
  end
  for code, at in pairs(c.due) do
    if at >= 0 then redis.call('ZADD', DUE, int(at), code .. '|' .. lead) else redis.call('ZREM', DUE, code .. '|' .. lead) end
  end
  for person, n in pairs(c.unt) do redis.call('HINCRBY', UNT, person, int(n)) end
end

-- give_back takes turns off passes, [[person, cost]], and tells whose.
local function give_back(all)
  local back = {}
  for _, b in ipairs(all or {}) do
    local s = redis.call('HGET', ROT, b[1])
    if s then
      local p = {}
      unpack_person(p, s)
      p.pass = math.max(0, p.pass - b[2])
      p.since = -1 -- not to be compared until the floor changes
      redis.call('HSET', ROT, b[1], table.concat({int(p.pass), int(p.last), p.was and '1' or '0', int(p.turns), int(p.since), int(gen)}, '|'))
      back[#back + 1] = id(b[1]) .. ':' .. int(b[2])
    end
  end
  return object(back)
end
