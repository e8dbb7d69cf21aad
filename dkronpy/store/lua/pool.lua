-- Make a pool, change its size, or take it away; who has room now is let in.
-- ARGV: pool, slots or '' to take it away. Returns 1, or 0 where there was none to take away.
local pool, slots = ARGV[3], ARGV[4]
local now = now_ms()
local known = redis.call('HEXISTS', P .. 'pools', pool)
if slots == '' then
  redis.call('HDEL', P .. 'pools', pool)
else
  redis.call('HSET', P .. 'pools', pool, slots)
  pump('pool:' .. pool, now)
end
if known == 1 or slots ~= '' then
  event('pool', 'pool', pool, 'slots', slots, 'at', int(now))
end
return slots == '' and known or 1
