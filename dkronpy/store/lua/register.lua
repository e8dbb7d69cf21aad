-- A node's heartbeat, on the store's clock. ARGV: node, instance, ttl in ms, alive within ms, '1' to take a name over, then fields.
-- Returns {accepted, now, instance that holds the name, its last heartbeat}.
local node, instance, ttl, alive = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local now = now_ms()
local key = P .. 'node:' .. node
local old = redis.call('HMGET', key, 'instance', 'seen_ms')
if old[1] and old[1] ~= instance and ARGV[7] ~= '1' and now - tonumber(old[2]) < alive then
  return { 0, now, old[1], tonumber(old[2]) }
end
redis.call('HSET', key, 'instance', instance, 'seen_ms', int(now), unpack(ARGV, 8))
redis.call('PEXPIRE', key, ttl)
redis.call('ZADD', P .. 'nodes', int(now), node)
redis.call('ZREMRANGEBYSCORE', P .. 'nodes', '-inf', '(' .. int(now - ttl))
if old[1] ~= instance then
  event('node', 'node', node, 'state', 'up', 'at', int(now))
  redis.call('PUBLISH', P .. 'wake', 'node')
end
return { 1, now, instance, int(now) }
