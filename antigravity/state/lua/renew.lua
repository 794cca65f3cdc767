-- Lets holders have their slots for longer, also those that have none.
-- KEYS: one for each slot.  ARGV: for each slot its holder and its time to live in milliseconds.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
for index, key in ipairs(KEYS) do
  local holder, ttl = ARGV[2 * index - 1], tonumber(ARGV[2 * index])
  redis.call('ZADD', key, now + ttl, holder)
  if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, ttl) end
end
return 0
