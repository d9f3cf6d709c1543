-- unpark ends that a message is quarantined, or notes that its release begins.
-- KEYS 14 list of the quarantined 15 park 16 raw 17 kept 18 the call that ended it 19 token shard. ARGV 2 the event's detail in JSON, 3 the
-- token of the lead that is held, or '': as its release begins, that it was held is no longer its decision.
-- R.kind is released or discarded; with R.begin the release begins: until it ends the message cannot be discarded.
-- Returns JSON {seq, again} once it has ended, now or before; else {} where its release began, {busy: true} or {none: true}.
local LIST, PARK, RAW, KEPT, CALL = unpack(KEYS, 14, 18)
local TOK = KEYS[19]
local ended = redis.call('GET', CALL)
if ended then return cjson.encode({seq = tonumber(ended), again = true}) end
local note = redis.call('HGET', PARK, R.id)
if not note or not redis.call('ZSCORE', LIST, R.id) then return '{"none":true}' end
if R.begin then
  if ARGV[3] ~= '' and string.sub(redis.call('HGET', TOK, ARGV[3]) or '', 1, 1) == 'q' then redis.call('HDEL', TOK, ARGV[3]) end
  redis.call('HSET', PARK, R.id, (string.gsub(note, '"releasing":false', '"releasing":true', 1)))
  return '{}'
end
if R.kind == 'discarded' and string.find(note, '"releasing":true', 1, true) then return '{"busy":true}' end
local s = event(R.kind, nil, R.by, nil, nil, ARGV[2])
redis.call('ZREM', LIST, R.id)
redis.call('HDEL', PARK, R.id)
local size = redis.call('STRLEN', RAW)
redis.call('DEL', RAW)
if redis.call('ZREM', KEPT, R.id .. '|' .. size) == 1 then
  redis.call('HSET', META, 'raw', int(math.max(0, (tonumber(redis.call('HGET', META, 'raw') or 0) or 0) - size)))
end
flush()
redis.call('SET', CALL, int(s), 'EX', 86400)
return cjson.encode({seq = s})
