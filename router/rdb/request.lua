-- The request of take. What a plain new lead does not need stands in JSON, and is read where something of it is asked for.
local FLAT = 26
local R = setmetatable({
  now = tonumber(ARGV[1]), at = ARGV[2], id = ARGV[3], token = ARGV[4], place = ARGV[5], record = ARGV[6], src = ARGV[7], known = ARGV[8],
  prints = ARGV[9], birth = ARGV[10], due = ARGV[11], store_due = ARGV[12], person_due = ARGV[13], warn = ARGV[14], reassign = ARGV[15],
  bucket = ARGV[16], waited = ARGV[17], closed = ARGV[18], fixed = ARGV[19], named = ARGV[20], word = ARGV[21], by = ARGV[22], actor = ARGV[23],
  past = ARGV[24], epoch = ARGV[25],
}, {__index = function(r, name)
  setmetatable(r, nil)
  for k, v in pairs(cjson.decode(ARGV[FLAT])) do r[k] = v end
  return r[name]
end})
