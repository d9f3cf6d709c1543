-- put stores what became of a lead, as router derived it from version R.v.
-- KEYS 14 lead, 15 its personal record, 16 the call's token. ARGV 2 a note, personal.
-- R.set, R.z and R.unt as change takes them (the number R.pending stands for the event's), R.counts, R.to and R.why of a deal, R.back
-- [[person, cost]] of turns given back, R.erase the prints of a lead that is forgotten, whose shards are the keys from 17 on, R.tombs how many
-- of them, the first, are remembered. Returns JSON {seq} or {conflict: true}.
local LEAD, RECORD, CALL = KEYS[14], KEYS[15], KEYS[16]
local done = redis.call('GET', CALL)
if done then return cjson.encode({seq = tonumber(done)}) end
if tonumber(redis.call('HGET', LEAD, 'v') or -1) ~= R.v then return '{"conflict":true}' end
local number = int(seq + 1)
local set = {}
for name, v in pairs(R.set) do
  set[(string.gsub(name, R.pending, number))] = (string.gsub(v, R.pending, number))
end
for name, n in pairs(R.counts) do count(name, n) end
local back = give_back(R.back)
local deal = (R.to or back) and deal_json({to = R.to, reason = R.why, back = back}) or nil
if R.note then
  redis.call('HSET', RECORD, 'x' .. number, ARGV[2])
end
event(R.kind, R.id, R.by, set, deal, R.detail)
R.set = set
change(R.id, LEAD, R, seq)
if R.erase then
  redis.call('DEL', RECORD)
  local repeats = {}
  for i = 1, R.n do repeats[i] = 'q' .. i end
  redis.call('HDEL', LEAD, unpack(repeats))
  for i, p in ipairs(R.erase) do
    local key, keep, tomb = KEYS[16 + p.s], {}, i <= R.tombs
    if tomb then keep[1] = '!' .. int(now) .. ':' .. p.x end
    for who, last in string.gmatch(redis.call('HGET', key, p.f) or '', '([^:,]+):([^:,]*)') do
      local forgotten = string.byte(who) == 33
      if who ~= R.id and not (forgotten and tomb and last == p.x) then keep[#keep + 1] = who .. ':' .. last end
    end
    if #keep > 0 then redis.call('HSET', key, p.f, table.concat(keep, ',')) else redis.call('HDEL', key, p.f) end
  end
end
flush()
redis.call('SET', CALL, number, 'EX', 86400)
return cjson.encode({seq = seq})
