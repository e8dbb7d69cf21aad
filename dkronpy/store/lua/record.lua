-- Shared by every step that changes the ledger: names of keys, the clock, and how a record is closed.
-- ARGV[1] is our prefix, ARGV[2] RedBeat's; each step's own arguments start at ARGV[3].

local P, R = ARGV[1], ARGV[2]
local EVENTS_KEPT, RUNS_KEPT = 10000, 10000
local EVENTS_TOLD = 50  -- by one entry
local CHUNK = 2000    -- arguments of one command: Lua's stack has 8,000 places
local LOST_TTL = 7 * 24 * 3600 * 1000

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Lua prints large numbers with an exponent; ids and times must stay whole.
local function int(n) return string.format('%d', n) end

-- The events of a step that does many things, by kind and names of fields, while it gathers them; `tell` writes them.
local gathered

local function event(kind, ...)
  if not gathered then
    redis.call('XADD', P .. 'events', 'MAXLEN', '~', EVENTS_KEPT, '*', 'event', kind, ...)
    return
  end
  local fields, shape = { ... }, kind
  for i = 1, #fields, 2 do shape = shape .. ' ' .. fields[i] end
  local alike = gathered[shape]
  if not alike then
    alike = { kind = kind }
    gathered[shape], gathered[#gathered + 1] = alike, alike
  end
  alike[#alike + 1] = fields
end

-- One field of events that are told together: a line for each, or what it is where all have the same. None of them has
-- lines of its own: a plugin may give any reason.
local function column(events, first, last, place)
  local values, same = {}, true
  for i = first, last do
    values[#values + 1] = string.gsub(tostring(events[i][place]), '[\r\n]+', ' ')
    same = same and values[#values] == values[1]
  end
  return same and values[1] or table.concat(values, '\n')
end

-- Writes what was gathered: events that are alike in one entry, whose field 'many' says how many they are.
local function tell()
  local found = gathered
  gathered = nil
  for _, events in ipairs(found) do
    for first = 1, #events, EVENTS_TOLD do
      local last = math.min(first + EVENTS_TOLD - 1, #events)
      local fields = last > first and { 'many', last - first + 1 } or {}
      for i = 1, #events[first], 2 do
        fields[#fields + 1] = events[first][i]
        fields[#fields + 1] = column(events, first, last, i + 1)
      end
      event(events.kind, unpack(fields))
    end
  end
end

-- A command with any number of further arguments; an even number of them in each call.
local function write(command, key, arguments)
  for first = 1, #arguments, CHUNK do
    redis.call(command, key, unpack(arguments, first, math.min(first + CHUNK - 1, #arguments)))
  end
end

-- What one of many comes to, or its error: the others are not to wait for it.
local function attempt_at(work, ...)
  local done, answer = pcall(work, ...)
  if done or type(answer) == 'table' then return answer end
  return { err = answer }
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

-- Adds a field to a list of them: one that is empty only where it takes the place of something.
local function say(fields, name, value, before)
  if value == '' and (before or '') == '' then return end
  fields[#fields + 1] = name
  fields[#fields + 1] = value
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

-- How many executions a run has, by its fields 'size' and 'executions': 0.1 listed them by name.
local function size_of(size, listed)
  return tonumber(size or listed and select(2, string.gsub(listed, '%S+', '')) or 1)
end

-- What the end of a run rests on, read at once: how its executions ended so far, and what it leaves behind for others.
local function read_run(key)
  local r = redis.call('HMGET', key, 'n_success', 'n_failed', 'n_skipped', 'n_lost', 'revision', 'open', 'gate', 'waits',
    'size', 'executions', 'reason', 'message')
  return {
    n = { success = tonumber(r[1] or 0), failed = tonumber(r[2] or 0), skipped = tonumber(r[3] or 0), lost = tonumber(r[4] or 0) },
    revision = tonumber(r[5] or 0), open = r[6] and tonumber(r[6]), gate = r[7], waits = r[8], size = size_of(r[9], r[10]),
    reason = r[11], message = r[12],
  }
end

-- Count for a job what a run has come to, as {state = by}, and write with it what else the job shows then, a list of fields.
-- Nothing is counted for a job that has the name now and never had the run: one that was deleted does not come back as a hash
-- of counters, and one that was made anew does not inherit what the runs of the former come to.
local function count(job, run, by, shown, now)
  local key = P .. 'job:' .. job
  local since = redis.call('HGET', key, 'since_rev')
  if not since or run.revision < tonumber(since) then return end
  for state, n in pairs(by) do
    redis.call('HINCRBY', key, COUNTER[state], n)
    local last = n > 0 and (state == 'success' and 'last_success_ms' or state ~= 'skipped' and 'last_error_ms')
    if last then
      shown[#shown + 1] = last
      shown[#shown + 1] = int(now)
    end
  end
  if #shown > 0 then redis.call('HSET', key, unpack(shown)) end
end

-- The state of a run follows from how many of its executions ended how.
local function run_state(n)
  if n.success + n.failed + n.lost == 0 then return 'skipped' end
  if n.failed + n.lost == 0 and n.skipped == 0 then return 'success' end
  if n.success > 0 then return 'partially_failed' end
  if n.failed > 0 then return 'failed' end
  return 'lost'
end

-- What a run that had to pass gates leaves behind for others: gate.lua.
local leave_gates

-- A run ends when the last of its executions does, and counts what that was; its job then shows the run's state. All its
-- records live equally long from then on: for a lost one its holder may still speak up. Further fields of the run are written with it.
local function settle_run(run_id, job, run, by, reason, message, now, ttl, ...)
  local key = P .. 'run:' .. run_id
  local state = run_state(run.n)
  local kept = run.n.lost > 0 and LOST_TTL or ttl
  for n = 0, run.size - 1 do
    local execution = P .. 'exec:' .. run_id .. '.' .. n
    redis.call('PEXPIRE', execution, kept)
    if reason == '' and state ~= 'success' then  -- the last to end succeeded, another did not
      local e = redis.call('HMGET', execution, 'reason', 'message')
      if e[1] and e[1] ~= '' then reason, message = e[1], e[2] or '' end
    end
  end
  local fields = { 'state', state, 'finished_ms', int(now), ... }
  say(fields, 'reason', reason, run.reason)
  say(fields, 'message', message, run.message)
  redis.call('HSET', key, unpack(fields))
  redis.call('PEXPIRE', key, kept)
  redis.call('ZADD', P .. 'done', int(now), run_id)
  count(job, run, by, { 'status', state, 'last_run', run_id }, now)
  event('run', 'run', run_id, 'job', job, 'state', state, 'reason', reason, 'at', int(now))
  if run.gate then leave_gates(run_id, job, run.gate, run.waits, now) end
  return state
end

-- The next part of a rolling run: see gate.lua.
local roll

-- What is to be known of an execution that ends.
local ENDING = { 'node', 'state', 'attempt', 'rolling', 'reason', 'message' }

-- Ends an execution for good and, with the last one, its run. Returns the run's state, or '' while it goes on.
-- `attempt` are further fields of the execution that are written with it; its `told` is what the event tells besides.
-- `e`: its fields of ENDING, as they have been read.
local function close_known(e, id, state, reason, message, now, ttl, attempt)
  local key, run_id, job = P .. 'exec:' .. id, run_of(id), job_of(id)
  local run_key = P .. 'run:' .. run_id
  local run = read_run(run_key)
  local ended = { 'state', state, 'finished_ms', int(now), unpack(attempt) }
  say(ended, 'reason', reason, e[5])
  say(ended, 'message', message, e[6])
  redis.call('HSET', key, unpack(ended))
  redis.call('ZREM', P .. 'open', id)
  redis.call('SREM', P .. 'job:' .. job .. ':active', id)
  event('execution', 'execution', id, 'run', run_id, 'job', job, 'node', e[1] or '', 'state', state, 'reason', reason,
    'attempt', e[3] or '0', 'at', int(now), unpack(attempt.told or {}))
  local by, amended = { [state] = 1 }, e[2] == 'lost'  -- amended: the run was settled before
  run.n[state] = run.n[state] + 1
  local fields = { 'n_' .. state, int(run.n[state]) }
  if amended then
    by.lost, run.n.lost = -1, run.n.lost - 1
    fields[3], fields[4] = 'n_lost', int(run.n.lost)
  elseif run.open then  -- a run of one does not count those that are open
    run.open = run.open - 1
    fields[3], fields[4] = 'open', int(run.open)
  end
  if (run.open or 0) <= 0 then return settle_run(run_id, job, run, by, reason, message, now, ttl, unpack(fields)) end
  redis.call('PEXPIRE', key, LOST_TTL)  -- until its run ends
  redis.call('HSET', run_key, unpack(fields))
  count(job, run, by, {}, now)
  if e[4] and not amended then roll(run_id, state, now, ttl) end
  return ''
end

local function close(id, state, reason, message, now, ttl)
  return close_known(read_execution(id, unpack(ENDING)), id, state, reason, message, now, ttl, {})
end

-- How an execution ends that waits for a further attempt which will not come: as its last attempt did, with that one's reason.
local function last_outcome(key, attempt)
  local a = 'a' .. attempt .. '.'
  local last = redis.call('HMGET', key, a .. 'state', a .. 'reason')
  return last[1] == 'lost' and 'lost' or 'failed', last[2] or ''
end
