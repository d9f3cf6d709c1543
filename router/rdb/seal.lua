-- seal keeps a snapshot in place of the events up to R.last.
-- KEYS 14 the last snapshot, 15 the new one. R.before the event up to which the log was closed, R.keep how many of the closed events stay: those
-- after them may say that they were decided among the same people. ARGV 2 what the event tells.
-- Returns JSON {seq}, or {conflict: true} where another snapshot came between.
local sealed = tonumber(redis.call('HGET', META, 'sealed') or 0) or 0
if sealed == R.last then redis.call('DEL', KEYS[15]); return '{"seq":0}' end -- the reply was lost
if sealed ~= R.before or redis.call('EXISTS', KEYS[15]) == 0 then return '{"conflict":true}' end
redis.call('UNLINK', KEYS[14])
redis.call('RENAME', KEYS[15], KEYS[14])
redis.call('PERSIST', KEYS[14])
redis.call('HSET', META, 'sealed', int(R.last))
redis.call('XTRIM', EV, 'MINID', int(math.max(0, R.last - R.keep)) .. '-0')
local s = event('sealed', nil, nil, nil, nil, ARGV[2])
flush()
return cjson.encode({seq = s})
