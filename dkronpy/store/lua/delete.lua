-- Delete a definition; runs that are open end as they would have, and its last revision stays readable for them.
-- The hash of the job without a name keeps the highest revision that was ever deleted: see save.lua.
-- Its history stays for a while, with the deletion on top, so that it can be brought back.
-- A job that is renamed leaves to its heir, which has no definition yet, what the save that follows goes on from: the phase of
-- its schedule and where that stands, its counters and its history.
-- ARGV: job, ttl of old revisions in s, revision that was read, who, why, how many former revisions are kept,
--   ttl of the history in s, the hash of its name, the jobs that it follows (names with blanks between them),
--   the heir or '', '1' where it may not be renamed while a run is open.
-- Returns {'deleted', revision}, {'absent', 0}, {'open', revision}, or {'conflict', revision in force}.
local job, ttl, expected, who, why, kept, history_ttl = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9]
local entry, history = R .. job, P .. 'job:' .. job .. ':history'
local old = redis.call('HMGET', entry, 'rev', 'job', 'saved_ms', 'who', 'why')
if (old[1] or '0') ~= expected then return { 'conflict', tonumber(old[1] or 0) } end
if not old[1] then return { 'absent', 0 } end
local heir, state = ARGV[12], P .. 'job:' .. job
if heir ~= '' and redis.call('HEXISTS', R .. heir, 'rev') == 1 then return { 'conflict', tonumber(old[1]) } end
if heir ~= '' and ARGV[13] == '1' and redis.call('SCARD', state .. ':active') > 0 then return { 'open', tonumber(old[1]) } end
local now = now_ms()
redis.call('SET', P .. 'def:' .. job .. ':' .. old[1], old[2], 'EX', ttl)
redis.call('LPUSH', history, cmsgpack.pack({ old[1], old[3] or '0', old[4] or '', old[5] or '', old[2] }))
if heir ~= '' then
  local to = P .. 'job:' .. heir
  redis.call('DEL', to, to .. ':history')
  redis.call('HSET', R .. heir, 'anchor', redis.call('HGET', entry, 'anchor') or int(now))
  local meta = redis.call('HGET', entry, 'meta')
  if meta then redis.call('HSET', R .. heir, 'meta', meta) end
  write('HSET', to, redis.call('HGETALL', state))
  write('RPUSH', to .. ':history', redis.call('LRANGE', history, 0, kept - 1))
  redis.call('EXPIRE', to .. ':history', history_ttl)
end
redis.call('LPUSH', history, cmsgpack.pack({ old[1], int(now), who, why, '' }))
redis.call('LTRIM', history, 0, kept - 1)
redis.call('EXPIRE', history, history_ttl)
local highest = tonumber(redis.call('HGET', P .. 'job:', 'revision') or 0)
redis.call('HSET', P .. 'job:', 'revision', math.max(highest, tonumber(old[1])))
redis.call('ZREM', place_of(entry, ARGV[10]), entry)
redis.call('DEL', entry, state, state .. ':runs')
redis.call('SREM', P .. 'jobs', job)
for parent in string.gmatch(ARGV[11], '%S+') do redis.call('SREM', P .. 'job:' .. parent .. ':children', job) end
event('job', 'job', job, 'revision', old[1], 'state', 'deleted', 'at', int(now))
return { 'deleted', tonumber(old[1]) }
