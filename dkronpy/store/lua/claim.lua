-- An agent asks whether it may start executions; a yes gives it the token, the lease and the definition.
-- ARGV: node, holder, lease in ms, record ttl in ms, then for each: execution, delivery.
-- Returns for each {'ok', token, attempt, now, execution as a flat list, definition, its revision}, {why not, now}, or an error.
local node, holder, lease, ttl, now = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), now_ms()

local function claim(id, delivery)
  local key = P .. 'exec:' .. id
  local run, job = run_of(id), job_of(id)
  local record = redis.call('HGETALL', key)  -- as the answer has it: what is written below goes behind
  local e = setmetatable({}, { __index = USUAL })
  for i = 1, #record, 2 do e[record[i]] = record[i + 1] end

  if not e.node then return { 'gone', now } end
  if e.state ~= 'queued' then return { 'is ' .. e.state, now } end
  if e.node ~= node then return { 'is for node ' .. e.node, now } end
  if tonumber(delivery) > tonumber(e.delivery) then return { 'was never sent', now } end
  local attempt = tonumber(e.attempt) + 1
  local start_by = tonumber(e.start_by_ms)
  if attempt == 1 and start_by > 0 and now > start_by then
    close(id, 'skipped', 'not_started_in_deadline', 'node ' .. node .. ' took it up after the start deadline', now, ttl)
    return { 'is too late', now }
  end

  -- The definition of the moment it fired, also when it has been changed or deleted since.
  local revision = redis.call('HGET', P .. 'run:' .. run, 'revision')
  local definition = redis.call('HMGET', R .. job, 'rev', 'job')
  local body = definition[2]
  if definition[1] ~= revision then body = redis.call('GET', P .. 'def:' .. job .. ':' .. revision) end

  -- Never behind the clock: a store that has lost its last moments must not give out again what it gave out in them.
  local token = math.max(tonumber(redis.call('GET', P .. 'token') or 0) + 1, now)
  redis.call('SET', P .. 'token', int(token))
  local a = 'a' .. attempt .. '.'
  local fields = { 'state', 'running', 'token', int(token), 'attempt', int(attempt), 'holder', holder,
    a .. 'token', int(token), a .. 'node', node, a .. 'started_ms', int(now) }
  if not e.started_ms then fields[15], fields[16] = 'started_ms', int(now) end
  redis.call('HSET', key, unpack(fields))
  for i = 1, #fields do record[#record + 1] = fields[i] end
  redis.call('ZADD', P .. 'open', int(now + lease), id)
  event('started', 'execution', id, 'run', run, 'job', job, 'node', node, 'attempt', attempt, 'at', int(now))
  return { 'ok', token, attempt, now, record, body, tonumber(revision) }
end

local answers = {}
gathered = {}
for i = 7, #ARGV, 2 do answers[#answers + 1] = attempt_at(claim, ARGV[i], ARGV[i + 1]) end
tell()
return answers
