-- put stores what became of a lead, as router derived it from version R.v.
-- KEYS 15 lead, 16 its personal record, 17 the call's token. ARGV 2 a note, personal.
-- R.set fields ('' removes; the number R.pending stands for the event's), R.counts, R.unt {person: n}, R.z {zset letter: score or -1},
-- R.due {code: ms or -1}, R.to and R.why of a deal, R.back [[person, cost]] of turns given back.
-- Returns JSON {seq} or {conflict: true}.
local LEAD, RECORD, CALL = KEYS[15], KEYS[16], KEYS[17]
local done = redis.call('GET', CALL)
if done then return cjson.encode({seq = tonumber(done)}) end
if tonumber(redis.call('HGET', LEAD, 'v') or -1) ~= R.v then return '{"conflict":true}' end
local number = int(seq + 1)
local set = {}
for name, v in pairs(R.set) do
  set[(string.gsub(name, R.pending, number))] = (string.gsub(v, R.pending, number))
end
for name, n in pairs(R.counts) do count(name, n) end
local back = {}
for _, b in ipairs(R.back or {}) do
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
local deal = (R.to or #back > 0) and deal_json({to = R.to, reason = R.why, back = object(back)}) or nil
if R.note then
  redis.call('HSET', RECORD, 'x' .. number, ARGV[2])
end
event(R.kind, R.id, R.by, set, deal, R.detail)
local write, drop = {'v', number}, {}
for name, v in pairs(set) do
  if v ~= '' then write[#write + 1] = name; write[#write + 1] = v else drop[#drop + 1] = name end
end
redis.call('HSET', LEAD, unpack(write))
if #drop > 0 then redis.call('HDEL', LEAD, unpack(drop)) end
local zsets = {a = UA, d = UD, w = WAIT, o = OWED}
for letter, score in pairs(R.z) do
  if score >= 0 then redis.call('ZADD', zsets[letter], int(score), R.id) else redis.call('ZREM', zsets[letter], R.id) end
end
for code, at in pairs(R.due) do
  if at >= 0 then redis.call('ZADD', DUE, int(at), code .. '|' .. R.id) else redis.call('ZREM', DUE, code .. '|' .. R.id) end
end
for person, n in pairs(R.unt) do redis.call('HINCRBY', UNT, person, int(n)) end
flush()
redis.call('SET', CALL, number, 'EX', 86400)
return cjson.encode({seq = seq})
