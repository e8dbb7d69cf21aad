-- Save a definition: one revision up if it changed, nothing if not; a due time that is owed already stays owed.
-- ARGV: job, definition for RedBeat, our definition, next score or '', meta, source, revision that was read or '', ttl of old revisions in s,
--   '1' where the schedule is a new one, anchor of its phase in ms (kept from the first save on).
-- Returns {what, revision, now}: 'created', 'changed', 'unchanged', 'conflict'.
local job, redbeat, body, score, meta = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local source, expected, ttl, rescheduled = ARGV[8], ARGV[9], ARGV[10], ARGV[11] == '1'
local now = now_ms()
local entry, schedule = R .. job, R .. ':schedule'
local old = redis.call('HMGET', entry, 'rev', 'job')

if expected ~= '' and (old[1] or '0') ~= expected then return { 'conflict', tonumber(old[1] or 0), now } end
if old[2] == body then return { 'unchanged', tonumber(old[1]), now } end

local revision = redis.call('HINCRBY', entry, 'rev', 1)
if old[2] then redis.call('SET', P .. 'def:' .. job .. ':' .. old[1], old[2], 'EX', ttl) end
redis.call('HSET', entry, 'definition', redbeat, 'job', body, 'source', source, 'saved_ms', int(now))
redis.call('HSETNX', entry, 'meta', meta)
redis.call('HSETNX', entry, 'anchor', ARGV[12])
redis.call('SADD', P .. 'jobs', job)
redis.call('HSETNX', P .. 'job:' .. job, 'created_ms', int(now))

local due = redis.call('ZSCORE', schedule, entry)
local owed = due and tonumber(due) * 1000 <= now
if rescheduled and not owed then
  if score == '' then redis.call('ZREM', schedule, entry) else redis.call('ZADD', schedule, score, entry) end
end
event('job', 'job', job, 'revision', revision, 'state', old[2] and 'changed' or 'created', 'at', int(now))
redis.call('PUBLISH', P .. 'wake', 'saved')
return { old[2] and 'changed' or 'created', revision, now }
