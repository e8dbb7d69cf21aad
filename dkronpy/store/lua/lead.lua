-- Take, keep or give up the leadership. A new holder gets a new epoch, and epochs only rise.
-- ARGV: holder, ttl in ms, 'take' | 'release', shard. Returns {leading, epoch, now, holder, ttl left}.
local holder, ttl, wish = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local shard = tonumber(ARGV[6])
local key = P .. 'leader' .. (shard > 0 and ':' .. int(shard) or '')
local now = now_ms()
local current = redis.call('HMGET', key, 'holder', 'epoch')

if wish == 'release' then
  if current[1] == holder then
    redis.call('DEL', key)
    redis.call('PUBLISH', P .. 'wake', 'released')
  end
  return { 0, 0, now, '', 0 }
end
if current[1] and current[1] ~= holder then
  return { 0, tonumber(current[2]), now, current[1], redis.call('PTTL', key) }
end
local epoch = current[2]
if not current[1] then
  epoch = redis.call('INCR', P .. 'epoch')
  redis.call('HSET', key, 'holder', holder, 'epoch', epoch, 'since_ms', int(now))
  event('leader', 'holder', holder, 'epoch', epoch, 'shard', int(shard), 'at', int(now))
end
redis.call('PEXPIRE', key, ttl)
return { 1, tonumber(epoch), now, holder, ttl }
