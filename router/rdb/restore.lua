-- restore begins a new epoch. Returns JSON {}.
event('restored')
flush()
redis.call('HSET', META, 'epoch', int(math.max(now, tonumber(meta[6]) + 1)))
return '{}'
