-- Stores a value if the present one is as expected.
-- KEYS: the key.  ARGV: whether a value is expected, that value, the new one, its milliseconds.
local present = redis.call('GET', KEYS[1])
if (ARGV[1] == '1') ~= (present ~= false) or (present and present ~= ARGV[2]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
