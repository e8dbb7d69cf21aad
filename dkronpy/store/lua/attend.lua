-- A beat says that it is there, or that it no longer is. Returns {now, shards, the beats that are there}.
-- ARGV: holder, ttl in ms, 'stay' | 'leave'.
local holder, ttl = ARGV[3], tonumber(ARGV[4])
local now = now_ms()
local key = P .. 'beats'
if ARGV[5] == 'leave' then
  redis.call('ZREM', key, holder)
else
  if redis.call('ZADD', key, int(now), holder) == 1 then redis.call('PUBLISH', P .. 'wake', 'beat') end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', int(now - ttl))
  redis.call('PEXPIRE', key, ttl)
end
return { now, shards(), redis.call('ZRANGE', key, 0, -1) }
