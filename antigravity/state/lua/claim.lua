-- Grants all claims or none: the same rules as windows.py.
-- KEYS: one for each claim.  ARGV: parts of a window; then for each claim its kind and
--   w: amount, limit, period in milliseconds;  s: holder, limit, time to live in milliseconds.
-- Returns 1 or 0, then for each claim: used, milliseconds until there is room, part of the window.
-- All are integers, which a client reads at once; it takes a turn of its reactor for each text.
local parts = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local result, granted = {}, true
local position = 2
local claims = {}

for index, key in ipairs(KEYS) do
  local claim = {kind = ARGV[position], limit = tonumber(ARGV[position + 2])}
  claims[index] = claim
  local used, retry = 0, 0
  if claim.kind == 'w' then
    claim.amount = tonumber(ARGV[position + 1])
    claim.period = tonumber(ARGV[position + 3])
    local step = claim.period / parts
    claim.place = math.floor(now / step)
    local found, values = redis.call('HGETALL', key), {}
    for i = 1, #found, 2 do
      local part = tonumber(found[i])
      if part < claim.place - parts then
        redis.call('HDEL', key, found[i])
      else
        local value = tonumber(found[i + 1])
        used = used + value
        values[#values + 1] = {part, value}
      end
    end
    local excess = used + claim.amount - claim.limit
    if excess > 0 then
      retry = claim.period * (parts + 1) / parts
      table.sort(values, function(a, b) return a[1] < b[1] end)
      for _, each in ipairs(values) do
        excess = excess - each[2]
        if excess <= 0 then
          retry = (each[1] + parts + 1) * step - now
          break
        end
      end
    end
  else
    claim.holder = ARGV[position + 1]
    claim.ttl = tonumber(ARGV[position + 3])
    claim.place = 0
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    used = redis.call('ZCARD', key)
    if redis.call('ZSCORE', key, claim.holder) then
      used = used - 1
    elseif used >= claim.limit then
      local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
      retry = first[2] and tonumber(first[2]) - now or claim.ttl
    end
  end
  position = position + 4
  claim.used, claim.retry = used, retry
  if retry > 0 then granted = false end
end

result[1] = granted and 1 or 0
for index, key in ipairs(KEYS) do
  local claim = claims[index]
  if granted and claim.kind == 'w' then
    claim.used = claim.used + claim.amount
    if claim.amount > 0 then
      redis.call('HINCRBY', key, claim.place, claim.amount)
      local left = math.ceil(claim.period * (parts + 1) / parts)
      if redis.call('PTTL', key) < left then redis.call('PEXPIRE', key, left) end
    end
  elseif granted then
    claim.used = claim.used + 1
    redis.call('ZADD', key, now + claim.ttl, claim.holder)
    local left = math.ceil(claim.ttl)
    if redis.call('PTTL', key) < left then redis.call('PEXPIRE', key, left) end
  end
  result[#result + 1] = claim.used
  result[#result + 1] = math.ceil(claim.retry)
  result[#result + 1] = claim.place
end
return result
