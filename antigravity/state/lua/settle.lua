-- Corrects and ends what was claimed.
-- KEYS: one for each settlement.  ARGV: parts of a window; then for each settlement its kind and
--   w: place, amount, period in milliseconds;  s: holder, and twice nothing.
local parts = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
for index, key in ipairs(KEYS) do
  local position = 2 + (index - 1) * 4
  if ARGV[position] == 's' then
    redis.call('ZREM', key, ARGV[position + 1])
  else
    local place, amount = tonumber(ARGV[position + 1]), tonumber(ARGV[position + 2])
    local period = tonumber(ARGV[position + 3])
    local current = math.floor(now / (period / parts))
    if redis.call('EXISTS', key) == 1 and place >= current - parts then
      local left = redis.call('HINCRBY', key, ARGV[position + 1], amount)
      if left < 0 then redis.call('HSET', key, ARGV[position + 1], 0) end
    end
  end
end
return 0
