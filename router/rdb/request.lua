-- The request of take: the epoch and how many arrivals; then each of them. What a plain new lead does not need comes in JSON, only when it is
-- asked for, and is read where something of it is needed.
local EPOCH, ARRIVALS = ARGV[1], tonumber(ARGV[2])
-- Of the arrival in turn. Its prints' keys come after K, their arguments after A.
local AT, ID, TOKEN, PLACE, RECORDED, SOURCE, KNOWN, REPEATS, BIRTH, DEADLINE, SOONEST, BUCKET, WAITED, CLOSED, BY, ACTOR, WORD, SELDOM, PRINTS
local TOK, LEAD, RECORD
local K, A = 13, 2
-- What is asked of meta at once is that of the first.
local NOW, ASKED, COUNTED = tonumber(ARGV[3]), 's:' .. ARGV[9], 'n:' .. ARGV[9] .. '|' .. ARGV[15]
