-- The request of take. What a plain new lead does not need comes in JSON, or only when it is asked for, and is read where something of it is needed.
local FLAT = 23
local _, AT, ID, TOKEN, PLACE, RECORDED, SOURCE, KNOWN, REPEATS, BIRTH, DEADLINE, SOONEST, BUCKET, WAITED, CLOSED, FIXED, NAMED, WORD, BY, ACTOR, PAST, EPOCH = unpack(ARGV, 1, FLAT - 1)
local NOW, ASKED, COUNTED = tonumber(ARGV[1]), 's:' .. SOURCE, 'n:' .. SOURCE .. '|' .. BUCKET
