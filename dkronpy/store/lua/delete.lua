-- Delete a definition; runs that are open end as they would have, and its last revision stays readable for them.
-- The hash of the job without a name keeps the highest revision that was ever deleted: see save.lua.
-- ARGV: job, ttl of old revisions in s. Returns 1, or 0 where there was none.
local job, ttl = ARGV[3], ARGV[4]
local entry = R .. job
local old = redis.call('HMGET', entry, 'rev', 'job')
if not old[1] then return 0 end
redis.call('SET', P .. 'def:' .. job .. ':' .. old[1], old[2], 'EX', ttl)
local highest = tonumber(redis.call('HGET', P .. 'job:', 'revision') or 0)
redis.call('HSET', P .. 'job:', 'revision', math.max(highest, tonumber(old[1])))
redis.call('ZREM', R .. ':schedule', entry)
redis.call('DEL', entry, P .. 'job:' .. job, P .. 'job:' .. job .. ':runs')
redis.call('SREM', P .. 'jobs', job)
event('job', 'job', job, 'revision', old[1], 'state', 'deleted', 'at', int(now_ms()))
return 1
