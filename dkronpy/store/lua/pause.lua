-- Write a pause, and tell of it. Beat reads the hash in one go with what is due, so that no lock is needed.
-- ARGV: id, pause as JSON, the most that there may be, then the fields of the event. Returns 1, or 0 where there are too many.
local id, body, most = ARGV[3], ARGV[4], tonumber(ARGV[5])
local key = P .. 'pauses'
if redis.call('HEXISTS', key, id) == 0 and redis.call('HLEN', key) >= most then return 0 end
redis.call('HSET', key, id, body)
event('pause', 'at', int(now_ms()), unpack(ARGV, 6))
redis.call('PUBLISH', P .. 'wake', 'pause')
return 1
