-- deal gives a lead a new owner: whose turn it is, or R.to. Where nobody may get it R.hold has it: holds it while nobody is eligible at
-- all, keeps it where all who are have missed it.
-- KEYS 14 lead. Returns JSON {owner, seq, kind}, {conflict: true}, {none: true} where it goes on being held, {early: true} before the
-- spacing has passed.
local LEAD = KEYS[14]
local f = read(LEAD, 'v', 'st', 'ow', 'sl', 'ra', 'ar', 'td', 'tx', 'dl')
if not f[1] or tonumber(f[1]) ~= R.v then return '{"conflict":true}' end
local held = f[2] == 'waiting'
if R.spacing > 0 and held then
  local wl = tonumber(meta[5] or 0) or 0
  if now < wl + R.spacing then return '{"early":true}' end
end
if held and R.to == '' and redis.call('ZRANGE', WAIT, 0, 0)[1] ~= R.id then return '{"conflict":true}' end
muster()
local missed = {}
for _, id in ipairs(R.exclude) do missed[id] = true end
stand()
local p, owner
local kind, reason, timers = R.kind, R.reason, R.timers
if R.to ~= '' then
  p, owner = byid[R.to], R.to
else
  p = next_up(missed)
  if p then
    owner = p.id
  else
    owner, reason = R.hold, 'nobody else is on; ' .. reason
    if next_up() then
      kind, timers = 'escalated', {w = timers.w, p = timers.p}
    elseif held then
      if #events > 0 then save_people(); flush() end -- what was seen of the floor stands
      return '{"none":true}'
    else
      kind, timers = 'held', {}
    end
  end
end
local deal = among({}) -- as they stood before the turn
local cost
if R.charge and p and not p.gone then cost = charge(p, kind == 'dealt') end

local set = {ow = owner, as = int(now), cb = ''}
if kind == 'held' then set.st, set.as = 'waiting', '' elseif held then set.st = 'untouched' end
if kind == 'assigned' or kind == 'escalated' then set.pk = '1' end
for _, code in ipairs({'w', 'p', 'r'}) do set['t' .. code] = timers[code] and int(timers[code]) or '' end
if cost then -- all that it ever cost is given back where it turns out void
  local field = 'c.' .. owner
  set[field] = int(cost + (tonumber(read(LEAD, field)[1] or '') or 0))
end
for name, v in pairs(R.set) do set[name] = v end
if kind ~= 'held' then count('asg|' .. owner) end
if held and #R.exclude == 0 then
  count('h|assignment|' .. f[4] .. '|' .. R.bucket)
  count('hs|assignment|' .. f[4], R.waited)
end
deal.to, deal.cost, deal.reason, deal.missed = owner, cost, reason, #R.exclude > 0 and cjson.encode(R.exclude) or nil
local s = event(kind, R.id, R.by, set, deal_json(deal))
write(LEAD, int(s), set)
wind(R.id, f[5] and f[9], f[7], set.tp, set.tw, set.tr, f[8])
if kind == 'held' then
  redis.call('ZADD', WAIT, f[6], R.id)
elseif held then
  redis.call('ZREM', WAIT, R.id)
  if R.to == '' and p then redis.call('HSET', META, 'wl', int(now)) end
end
if f[5] then -- its clock to an attempt runs: it counts as untouched with its owner, unless it is held
  if not held then redis.call('HINCRBY', UNT, f[3], -1) end
  if kind ~= 'held' then redis.call('HINCRBY', UNT, owner, 1) end
end
save_people()
flush()
return cjson.encode({owner = owner, seq = s, kind = kind})
