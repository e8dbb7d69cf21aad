-- Turn due times into runs: for each item the next due time, the runs, their executions and their messages, or nothing.
-- ARGV: epoch ('' for a run by hand), record ttl in ms, history limit, then one msgpack array an item:
--   {job, revision, expected score, next score, meta, forbid, runs, settled}
--   run: {id, index score in ms, decision, reason, run fields, executions}
--   execution: {id, fields, look again at ms, queue key, message}
-- Scores are seconds as RedBeat keeps them, '' where there is none. Returns {now, code an item}:
--   1 done; 0 the due time is no longer what was read; -2 the definition changed; -1 the run exists already; -9 not the leader.
local epoch, ttl, history = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local now = now_ms()
local codes = {}
if epoch ~= '' and redis.call('HGET', P .. 'leader', 'epoch') ~= epoch then
  for i = 6, #ARGV do codes[#codes + 1] = -9 end
  return { now, codes }
end

local function save_run(job, forbid, run)
  local id, index, decision, reason, fields, executions = run[1], run[2], run[3], run[4], run[5], run[6]
  local key = P .. 'run:' .. id
  if redis.call('EXISTS', key) == 1 then return false end
  if decision == 'fire' and forbid and redis.call('SCARD', P .. 'job:' .. job .. ':active') > 0 then
    decision, reason, executions = 'skip', 'overlap', {}
  end
  redis.call('HSET', key, 'job', job, 'fired_ms', int(now), 'decision', decision, 'open', #executions, unpack(fields))
  redis.call('ZADD', P .. 'runs', int(now), id)
  redis.call('ZREMRANGEBYRANK', P .. 'runs', 0, -RUNS_KEPT - 1)
  redis.call('ZADD', P .. 'job:' .. job .. ':runs', index, id)
  redis.call('ZREMRANGEBYRANK', P .. 'job:' .. job .. ':runs', 0, -history - 1)
  if #executions == 0 then
    redis.call('HSET', key, 'n_skipped', 1, 'executions', '')
    count(job, key, 'skipped', tonumber(redis.call('HGET', key, 'count') or 1), now)
    settle_run(id, job, reason, redis.call('HGET', key, 'message') or '', now, ttl)
    return true
  end
  redis.call('HSET', key, 'state', 'running')
  event('fired', 'run', id, 'job', job, 'executions', #executions, 'at', int(now))
  for _, e in ipairs(executions) do
    redis.call('HSET', P .. 'exec:' .. e[1], 'run', id, 'job', job, 'state', 'queued', 'queued_ms', int(now), unpack(e[2]))
    redis.call('ZADD', P .. 'open', e[3], e[1])
    redis.call('SADD', P .. 'job:' .. job .. ':active', e[1])
    if e[5] ~= '' then redis.call('LPUSH', e[4], e[5]) end
  end
  return true
end

local function fire(item)
  local job, revision, expected, following, meta = item[1], item[2], item[3], item[4], item[5]
  local entry, schedule = R .. job, R .. ':schedule'
  if redis.call('HGET', entry, 'rev') ~= revision then return -2 end
  if expected ~= '' then
    local score = redis.call('ZSCORE', schedule, entry)
    if not score or tonumber(score) ~= tonumber(expected) then return 0 end
    if following == '' then
      redis.call('ZREM', schedule, entry)
    else
      redis.call('ZADD', schedule, following, entry)
    end
    redis.call('HSET', entry, 'meta', meta)
    if item[8] then redis.call('HDEL', entry, 'owed') end
  end
  local code = 1
  for _, run in ipairs(item[7]) do
    if not save_run(job, item[6], run) then code = -1 end
  end
  return code
end

for i = 6, #ARGV do codes[#codes + 1] = fire(cmsgpack.unpack(ARGV[i])) end
return { now, codes }
