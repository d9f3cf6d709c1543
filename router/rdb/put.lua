-- put stores what became of a lead, as router derived it from version R.v.
-- KEYS 15 lead, 16 its personal record, 17 the call's token. ARGV 2 a note, personal.
-- R.set, R.z, R.unt and R.due as change takes them (the number R.pending stands for the event's), R.counts, R.to and R.why of a deal, R.back
-- [[person, cost]] of turns given back. Returns JSON {seq} or {conflict: true}.
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
local back = give_back(R.back)
local deal = (R.to or back) and deal_json({to = R.to, reason = R.why, back = back}) or nil
if R.note then
  redis.call('HSET', RECORD, 'x' .. number, ARGV[2])
end
event(R.kind, R.id, R.by, set, deal, R.detail)
R.set = set
change(R.id, LEAD, R, seq)
flush()
redis.call('SET', CALL, number, 'EX', 86400)
return cjson.encode({seq = seq})
