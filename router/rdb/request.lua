-- The request of take: the epoch and how many arrivals; then each of them. What a plain new lead does not need comes in JSON, only when it is
-- asked for, and is read where something of it is needed.
local EPOCH, ARRIVALS = ARGV[1], tonumber(ARGV[2])
local NOW, AT, ID, TOKEN, PLACE, RECORDED, SOURCE, KNOWN, REPEATS, BIRTH, DEADLINE, SOONEST, BUCKET, WAITED, CLOSED, BY, ACTOR, WORD, SELDOM, PRINTS
local TOK, LEAD, RECORD, ASKED, COUNTED
-- turn_to makes these the next arrival's, whose first key and argument those after K and A are; then those of its prints come after K and A.
local K, A = 13, 2
local function turn_to()
  NOW, AT, ID, TOKEN, PLACE, RECORDED, SOURCE, KNOWN, REPEATS, BIRTH, DEADLINE, SOONEST, BUCKET, WAITED, CLOSED, BY, ACTOR, WORD, SELDOM, PRINTS = unpack(ARGV, A + 1, A + 20)
  TOK, LEAD, RECORD = KEYS[K + 1], KEYS[K + 2], KEYS[K + 3]
  NOW, PRINTS, ASKED, COUNTED = tonumber(NOW), tonumber(PRINTS), 's:' .. SOURCE, 'n:' .. SOURCE .. '|' .. BUCKET
  K, A = K + 3, A + 20
end
turn_to()
