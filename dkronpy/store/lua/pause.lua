-- Write a pause, and tell of it. Beat reads the hash in one go with what is due, so that no lock is needed.
-- A job whose own pause has ended keeps since when its failures count anew: pauses are forgotten, and a job may be due once a month.
-- ARGV: id, pause as JSON, the most that there may be, since when failures count anew in ms or 0, then the fields of the event:
--   the job, if it is about one, after id, state and by. Returns 1, or 0 where there are too many.
local id, body, most, anew = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local key = P .. 'pauses'
if redis.call('HEXISTS', key, id) == 0 and redis.call('HLEN', key) >= most then return 0 end
redis.call('HSET', key, id, body)
if anew > 0 then
  local job = ARGV[14]
  if redis.call('HEXISTS', R .. job, 'rev') == 1 then redis.call('HSET', P .. 'job:' .. job, 'anew_ms', int(anew)) end
end
event('pause', 'at', int(now_ms()), unpack(ARGV, 7))
redis.call('PUBLISH', P .. 'wake', 'pause')
return 1
