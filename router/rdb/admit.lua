-- admit counts a message within its sender's limit, once for each token.
-- KEYS 1 window. ARGV 1 token, 2 arrival in ms, 3 length of the window in ms, 4 how many messages within it
-- Returns 1, or 0 where the window is full: nothing is counted then.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
local at, per, most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local function int(n) return string.format('%.0f', n) end
-- what arrived later counts too: two mailboxes are not read in step
if redis.call('ZCOUNT', KEYS[1], '(' .. int(at - per), '(' .. int(at + per)) >= most then return 0 end
redis.call('ZADD', KEYS[1], int(at), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', int(at - 2 * per))
redis.call('PEXPIRE', KEYS[1], int(2 * per))
return 1
