-- Shared by every step that changes the ledger: names of keys, the clock, and how a record is closed.
-- ARGV[1] is our prefix, ARGV[2] RedBeat's; each step's own arguments start at ARGV[3].

local P, R = ARGV[1], ARGV[2]
local EVENTS_KEPT, RUNS_KEPT = 10000, 10000
local RUNS_TOLD = 50  -- by one event
local CHUNK = 2000    -- arguments of one command: Lua's stack has 8,000 places
local LOST_TTL = 7 * 24 * 3600 * 1000

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Lua prints large numbers with an exponent; ids and times must stay whole.
local function int(n) return string.format('%d', n) end

local function event(kind, ...)
  redis.call('XADD', P .. 'events', 'MAXLEN', '~', EVENTS_KEPT, '*', 'event', kind, ...)
end

-- A command with any number of further arguments; an even number of them in each call.
local function write(command, key, arguments)
  for first = 1, #arguments, CHUNK do
    redis.call(command, key, unpack(arguments, first, math.min(first + CHUNK - 1, #arguments)))
  end
end

-- What an id says: a run's is its job, '@' and more; an execution's is its run, '.' and a number.
local function job_of(id) return string.match(id, '^[^@]*') end
local function run_of(execution) return string.match(execution, '^(.*)%.%d+$') end

-- Fields of an execution in the order asked for, as they are where nothing is written; all false where there is none.
local USUAL = { state = 'queued', delivery = '1', attempt = '0', max_attempts = '1', mode = 'at_most_once' }
local function read_execution(id, ...)
  local names = { ... }
  local e = redis.call('HMGET', P .. 'exec:' .. id, 'node', ...)
  local known = table.remove(e, 1)
  for i, name in ipairs(names) do e[i] = e[i] or known and USUAL[name] or false end
  return e
end

-- Until when an execution may start that is queued now: nobody waits for one longer than its run may take.
local function start_by(key, now, window)
  local end_by = redis.call('HGET', key, 'end_by_ms')
  return int(end_by and math.min(now + window, tonumber(end_by)) or now + window)
end

-- How many shards of due times there are.
local function shards() return tonumber(redis.call('GET', P .. 'shards') or 1) end

-- The sorted set of a shard: RedBeat's own for the first.
local function schedule_in(shard) return R .. ':schedule' .. (shard > 0 and ':' .. int(shard) or '') end

-- The one in which a job's next due time stands, by the hash of its name.
local function schedule_of(hash) return schedule_in(tonumber(hash) % shards()) end

-- The same for who changes it: while jobs are being moved to other shards, this one comes to its place first.
local function place_of(entry, hash)
  local to = schedule_of(hash)
  for shard = 0, tonumber(redis.call('GET', P .. 'shards_former') or 0) - 1 do
    local from = schedule_in(shard)
    local score = from ~= to and redis.call('ZSCORE', from, entry)
    if score then
      redis.call('ZADD', to, 'NX', score, entry)
      redis.call('ZREM', from, entry)
    end
  end
  return to
end

local COUNTER = { success = 'success_count', failed = 'error_count', skipped = 'skipped_count', lost = 'lost_count' }

-- Whether a run counts for the job that has its name now: one that was deleted does not come back as a hash of counters,
-- and one that was made anew does not inherit what the runs of the former come to.
local function counts(job, run_key)
  local since = redis.call('HGET', P .. 'job:' .. job, 'since_rev')
  return since and tonumber(redis.call('HGET', run_key, 'revision') or 0) >= tonumber(since)
end

local function count(job, run_key, state, by, now)
  if not counts(job, run_key) then return end
  local key = P .. 'job:' .. job
  redis.call('HINCRBY', key, COUNTER[state], by)
  if by > 0 and state == 'success' then redis.call('HSET', key, 'last_success_ms', int(now)) end
  if by > 0 and (state == 'failed' or state == 'lost') then redis.call('HSET', key, 'last_error_ms', int(now)) end
end

-- The state of a run follows from how many of its executions ended how.
local function run_state(run_key)
  local n = redis.call('HMGET', run_key, 'n_success', 'n_failed', 'n_skipped', 'n_lost')
  local success, failed, skipped, lost = tonumber(n[1] or 0), tonumber(n[2] or 0), tonumber(n[3] or 0), tonumber(n[4] or 0)
  if success + failed + lost == 0 then return 'skipped' end
  if failed + lost == 0 and skipped == 0 then return 'success' end
  if success > 0 then return 'partially_failed' end
  if failed > 0 then return 'failed' end
  return 'lost'
end

-- What a run that had to pass gates leaves behind for others: gate.lua.
local leave_gates

-- A run ends when the last of its executions does; its job then shows the run's state. All its records live equally long
-- from then on: for a lost one its holder may still speak up.
local function settle_run(run_id, job, reason, message, now, ttl)
  local key = P .. 'run:' .. run_id
  local state = run_state(key)
  local record = redis.call('HMGET', key, 'n_lost', 'size', 'gate', 'waits', 'executions')
  local kept = tonumber(record[1] or 0) > 0 and LOST_TTL or ttl
  -- 0.1 listed the executions by name
  for n = 0, tonumber(record[2] or record[5] and select(2, string.gsub(record[5], '%S+', '')) or 1) - 1 do
    local execution = P .. 'exec:' .. run_id .. '.' .. n
    redis.call('PEXPIRE', execution, kept)
    if reason == '' and state ~= 'success' then  -- the last to end succeeded, another did not
      local e = redis.call('HMGET', execution, 'reason', 'message')
      if e[1] and e[1] ~= '' then reason, message = e[1], e[2] end
    end
  end
  redis.call('HSET', key, 'state', state, 'reason', reason, 'message', message, 'finished_ms', int(now))
  redis.call('PEXPIRE', key, kept)
  redis.call('ZADD', P .. 'done', int(now), run_id)
  if counts(job, key) then
    redis.call('HSET', P .. 'job:' .. job, 'status', state, 'last_run', run_id)
  end
  event('run', 'run', run_id, 'job', job, 'state', state, 'reason', reason, 'at', int(now))
  if record[3] then leave_gates(run_id, job, record[3], record[4], now) end
  return state
end

-- The next part of a rolling run: see gate.lua.
local roll

-- How many executions of a run are open now that one has ended; a run of one does not count them.
local function still_open(run_key)
  if redis.call('HEXISTS', run_key, 'open') == 0 then return 0 end
  return redis.call('HINCRBY', run_key, 'open', -1)
end

-- Ends an execution for good and, with the last one, its run. Returns the run's state, or '' while it goes on.
local function close(id, state, reason, message, now, ttl)
  local key = P .. 'exec:' .. id
  local e = read_execution(id, 'node', 'state', 'attempt', 'rolling')
  local run_id, job, before = run_of(id), job_of(id), e[2]
  redis.call('HSET', key, 'state', state, 'reason', reason, 'message', message, 'finished_ms', int(now))
  redis.call('PEXPIRE', key, LOST_TTL)  -- until its run ends
  redis.call('ZREM', P .. 'open', id)
  redis.call('SREM', P .. 'job:' .. job .. ':active', id)
  local run_key = P .. 'run:' .. run_id
  count(job, run_key, state, 1, now)
  event('execution', 'execution', id, 'run', run_id, 'job', job, 'node', e[1] or '', 'state', state, 'reason', reason,
    'attempt', e[3] or '0', 'at', int(now))
  redis.call('HINCRBY', run_key, 'n_' .. state, 1)
  if before == 'lost' then  -- amended: the run was settled before
    count(job, run_key, 'lost', -1, now)
    redis.call('HINCRBY', run_key, 'n_lost', -1)
    if tonumber(redis.call('HGET', run_key, 'open') or 0) > 0 then return '' end
  elseif still_open(run_key) > 0 then
    if e[4] then roll(run_id, state, now, ttl) end
    return ''
  end
  return settle_run(run_id, job, reason, message, now, ttl)
end

-- How an execution ends that waits for a further attempt which will not come: as its last attempt did, with that one's reason.
local function last_outcome(key, attempt)
  local a = 'a' .. attempt .. '.'
  local last = redis.call('HMGET', key, a .. 'state', a .. 'reason')
  return last[1] == 'lost' and 'lost' or 'failed', last[2] or ''
end
