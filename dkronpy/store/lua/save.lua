-- Save a definition: one revision up if it changed, nothing if not; a due time that is owed already stays owed.
-- No name ever sees a revision twice: a new job starts above all that were deleted, so that what was read, planned or cached
-- of a former job of its name never passes for the new one's. An entry that was set aside gets back on the schedule.
-- What was in force before goes on top of the job's history, with who made it, when and why.
-- A job belongs to the source that made it, whoever changes it later, until another takes it over.
-- ARGV: job, definition for RedBeat, our definition, next score or '', '', source, revision that was read, ttl of old revisions in s,
--   '1' where the schedule is a new one, anchor of its phase in ms (kept from the first save on), the jobs that it follows,
--   and those that it followed (names with blanks between them), who, why,
--   '1' where the source owns the job from now on and this is what it wants, how many former revisions are kept,
--   what the owning source wants where that is not quite our definition (it lets an operator's change stand), else '',
--   the hash of its name.
-- Returns {what, revision, now, path}: 'created', 'changed', 'unchanged', 'conflict', 'cycle' (path: who would wait for whom).
local job, redbeat, body, score = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local source, expected, ttl, rescheduled = ARGV[8], ARGV[9], ARGV[10], ARGV[11] == '1'
local who, why, owns, kept, wish = ARGV[15], ARGV[16], ARGV[17] == '1', tonumber(ARGV[18]), ARGV[19]
local now = now_ms()
local entry, history = R .. job, P .. 'job:' .. job .. ':history'
local old = redis.call('HMGET', entry, 'rev', 'job', 'saved_ms', 'who', 'why')

if (old[1] or '0') ~= expected then return { 'conflict', tonumber(old[1] or 0), now } end

-- Nobody may wait for himself: of those who follow this job, directly or through others, none is its parent.
local parents = {}
for parent in string.gmatch(ARGV[13], '%S+') do parents[parent] = true end
if next(parents) then
  local came, wave = { [job] = '' }, { job }
  while #wave > 0 do
    local name = table.remove(wave)
    for _, child in ipairs(redis.call('SMEMBERS', P .. 'job:' .. name .. ':children')) do
      if not came[child] then
        came[child] = name
        wave[#wave + 1] = child
      end
    end
    if parents[name] then
      local path = job .. ' after ' .. name
      while came[name] ~= '' do
        name = came[name]
        path = path .. ' after ' .. name
      end
      return { 'cycle', tonumber(old[1] or 0), now, path }
    end
  end
end
for parent in string.gmatch(ARGV[14], '%S+') do
  if not parents[parent] then redis.call('SREM', P .. 'job:' .. parent .. ':children', job) end
end
for parent in pairs(parents) do redis.call('SADD', P .. 'job:' .. parent .. ':children', job) end

local schedule = place_of(entry, ARGV[20])
local due = redis.call('ZSCORE', schedule, entry)
if old[2] == body then
  if not due and score ~= '' then redis.call('ZADD', schedule, score, entry) end
  if owns then redis.call('HSET', entry, 'source', source, 'applied', old[1], 'wish', wish) end
  return { 'unchanged', tonumber(old[1]), now }
end

local created = not old[1]
if created then redis.call('HSET', entry, 'rev', redis.call('HGET', P .. 'job:', 'revision') or 0) end
local revision = redis.call('HINCRBY', entry, 'rev', 1)
if old[2] then
  redis.call('SET', P .. 'def:' .. job .. ':' .. old[1], old[2], 'EX', ttl)
  redis.call('LPUSH', history, cmsgpack.pack({ old[1], old[3] or '0', old[4] or '', old[5] or '', old[2] }))
  redis.call('LTRIM', history, 0, kept - 1)
end
redis.call('HSET', entry, 'definition', redbeat, 'job', body, 'saved_ms', int(now))
for field, value in pairs({ who = who, why = why }) do  -- a field without a text would only cost memory
  if value == '' then redis.call('HDEL', entry, field) else redis.call('HSET', entry, field, value) end
end
if created or owns then redis.call('HSET', entry, 'source', source) end
if owns then redis.call('HSET', entry, 'applied', revision, 'wish', wish) end
redis.call('HSETNX', entry, 'anchor', ARGV[12])
redis.call('SADD', P .. 'jobs', job)
if created then
  redis.call('HSET', P .. 'job:' .. job, 'created_ms', int(now), 'since_rev', revision)
  redis.call('PERSIST', history)  -- of a former job of this name
end

local owed = due and tonumber(due) * 1000 <= now
if score ~= '' and (not due or rescheduled and not owed) then
  redis.call('ZADD', schedule, score, entry)
elseif rescheduled and not owed then
  redis.call('ZREM', schedule, entry)
end
-- What the schedule owed until now it goes on owing, under the definition that was in force: beat reads who owes until when.
if rescheduled and owed and old[1] then
  redis.call('HSET', entry, 'owed', (redis.call('HGET', entry, 'owed') or '') .. old[1] .. ':' .. int(now) .. ' ')
end
event('job', 'job', job, 'revision', revision, 'state', created and 'created' or 'changed', 'at', int(now))
redis.call('PUBLISH', P .. 'wake', 'saved')
return { created and 'created' or 'changed', revision, now }
