-- floor sets somebody by hand where R.who is given, admits and drops people, and tells who is on.
-- Returns JSON {people: [[id, status, by, till, eligible, turns, pass, untouched, since]], next, waiting}.
local detail
if R.who ~= '' then
  local before = redis.call('HGET', HAND, R.who)
  local mine = R.status .. '|' .. int(R.till) .. '|' .. R.by
  if R.status == 'auto' then
    if before then redis.call('HDEL', HAND, R.who); detail = true end
  elseif before ~= mine then
    redis.call('HSET', HAND, R.who, mine)
    detail = true
  end
  if detail then
    detail = '{"who":' .. quote(R.who) .. ',"status":' .. quote(R.status) .. (R.till > 0 and ',"until":"' .. int(R.till) .. '"' or '') .. '}'
  end
end
for who, h in pairs(hash(HAND)) do
  local till = tonumber(string.match(h, '^%a+|(%d+)|'))
  if till > 0 and till <= now then redis.call('HDEL', HAND, who) end
end
muster()
stand(detail, R.by)
save_people()
flush()
local unt = hash(UNT)
local out = {}
for _, p in ipairs(people) do
  if not p.gone then
    out[#out + 1] = {p.id, p.status, p.by, p.till or 0, p.eligible and 1 or 0, p.turns, p.pass, tonumber(unt[p.id] or 0) + (#events == 0 and p.lined or 0), p.gen == gen and p.since or 0, p.weight}
  end
end
local n = next_up()
return cjson.encode({people = out, next = n and n.id or '', waiting = redis.call('ZCARD', WAIT)})
