-- The holders of executions' last tokens report how their attempts ended. A replay is harmless.
-- ARGV: record ttl in ms, then for each: execution, token, 'success' | 'failed', reason, message, exit code or '', pause before a
--   retry in ms or '', the result as JSON or '', when the executor began in ms or 0.
-- Returns for each {what happened, run state or '', now}, or an error: 'closed', 'retry', 'again', 'amended', 'fenced', 'gone'.
local ttl, now = tonumber(ARGV[3]), now_ms()
local FIELDS = { unpack(ENDING) }
for _, name in ipairs({ 'token', 'max_attempts', 'cancel', 'queued_ms', 'started_ms', 'trigger' }) do FIELDS[#FIELDS + 1] = name end

local function finish(id, token, state, reason, message, exit_code, pause, result, began)
  local key = P .. 'exec:' .. id
  local e = read_execution(id, unpack(FIELDS))
  local node, was, number, most, cancel, queued, started, trigger = e[1], e[2], e[3], e[8], e[9], e[10], e[11], e[12]

  if not was then return { 'gone', '', now } end
  if e[7] ~= token then
    redis.call('HINCRBY', key, 'fenced', 1)
    event('fenced', 'execution', id, 'job', job_of(id), 'token', token, 'state', state, 'at', int(now))
    return { 'fenced', '', now }
  end
  if was ~= 'lost' and was ~= 'running' then return { 'again', '', now } end

  local a, before = 'a' .. number .. '.', was == 'lost' and 'lost' or ''
  local attempt = { a .. 'state', state, a .. 'finished_ms', int(now) }
  say(attempt, a .. 'reason', reason, before)
  say(attempt, a .. 'message', message, before)
  say(attempt, a .. 'exit_code', exit_code, before)
  say(attempt, a .. 'began_ms', began == '0' and '' or began)
  say(attempt, 'result', result)
  if was == 'lost' then
    say(attempt, 'amended', '1')
    return { 'amended', close_known(e, id, state, reason, message, now, ttl, attempt), now }
  end
  if state == 'failed' and pause ~= '' and tonumber(number) < tonumber(most) and cancel ~= '1' then
    redis.call('HSET', key, 'state', 'retry_wait', 'reason', reason, 'message', message, unpack(attempt))
    redis.call('ZADD', P .. 'open', int(now + tonumber(pause)), id)
    event('retry', 'execution', id, 'run', run_of(id), 'job', job_of(id), 'node', node, 'attempt', number, 'reason', reason,
      'pause_ms', pause, 'at', int(now))
    return { 'retry', '', now }
  end
  -- Of one that a schedule owed, and that ended with its first attempt, the event tells all that is counted: nobody need
  -- read the record for that.
  if number == '1' and queued and started and not trigger then
    attempt.told = { 'queued', queued, 'started', started, 'began', began }
  end
  return { 'closed', close_known(e, id, state, reason, message, now, ttl, attempt), now }
end

local answers = {}
gathered = {}
for i = 4, #ARGV, 9 do answers[#answers + 1] = attempt_at(finish, unpack(ARGV, i, i + 8)) end
tell()
return answers
