-- The holder of an execution's last token reports how the attempt ended. A replay is harmless.
-- ARGV: execution, token, 'success' | 'failed', reason, message, exit code or '', pause before a retry in ms or '', record ttl in ms,
--   the result as JSON or '', when the executor began in ms or 0.
-- Returns {what happened, run state or '', now}: 'closed', 'retry', 'again', 'amended', 'fenced', 'gone'.
local id, token, state, reason, message, exit_code = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local pause, ttl = ARGV[9], tonumber(ARGV[10])
local now = now_ms()
local key = P .. 'exec:' .. id
local e = read_execution(id, 'state', 'token', 'attempt', 'max_attempts', 'cancel', 'node', 'queued_ms', 'started_ms', 'trigger')

if not e[1] then return { 'gone', '', now } end
if e[2] ~= token then
  redis.call('HINCRBY', key, 'fenced', 1)
  event('fenced', 'execution', id, 'job', job_of(id), 'token', token, 'state', state, 'at', int(now))
  return { 'fenced', '', now }
end
if e[1] ~= 'lost' and e[1] ~= 'running' then return { 'again', '', now } end

local a = 'a' .. e[3] .. '.'
local attempt = { a .. 'state', state, a .. 'reason', reason, a .. 'message', message, a .. 'exit_code', exit_code,
  a .. 'finished_ms', int(now) }
local function add(field, value)
  attempt[#attempt + 1] = field
  attempt[#attempt + 1] = value
end
if ARGV[12] ~= '0' then add(a .. 'began_ms', ARGV[12]) end
if ARGV[11] ~= '' then add('result', ARGV[11]) end
if e[1] == 'lost' then
  add('amended', 1)
  return { 'amended', close(id, state, reason, message, now, ttl, attempt), now }
end
if state == 'failed' and pause ~= '' and tonumber(e[3]) < tonumber(e[4]) and e[5] ~= '1' then
  redis.call('HSET', key, 'state', 'retry_wait', 'reason', reason, 'message', message, unpack(attempt))
  redis.call('ZADD', P .. 'open', int(now + tonumber(pause)), id)
  event('retry', 'execution', id, 'run', run_of(id), 'job', job_of(id), 'node', e[6], 'attempt', e[3], 'reason', reason,
    'pause_ms', pause, 'at', int(now))
  return { 'retry', '', now }
end
-- Of one that a schedule owed, and that ended with its first attempt, the event tells all that is counted: nobody need read
-- the record for that.
if e[3] == '1' and e[7] and e[8] and not e[9] then attempt.told = { 'queued', e[7], 'started', e[8], 'began', ARGV[12] } end
return { 'closed', close(id, state, reason, message, now, ttl, attempt), now }
