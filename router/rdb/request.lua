-- The request of take. What a plain new lead does not need stands in JSON, and is read where something of it is asked for.
local FLAT = 23
local R = setmetatable({
  now = tonumber(ARGV[1]), at = ARGV[2], id = ARGV[3], token = ARGV[4], place = ARGV[5], record = ARGV[6], src = ARGV[7], known = ARGV[8],
  prints = ARGV[9], birth = ARGV[10], due = ARGV[11], soonest = ARGV[12], bucket = ARGV[13], waited = ARGV[14], closed = ARGV[15],
  fixed = ARGV[16], named = ARGV[17], word = ARGV[18], by = ARGV[19], actor = ARGV[20], past = ARGV[21], epoch = ARGV[22],
}, {__index = function(r, name)
  setmetatable(r, nil)
  for k, v in pairs(cjson.decode(ARGV[FLAT])) do r[k] = v end
  return r[name]
end})
