-- An agent asks whether it may start an execution; a yes gives it the token, the lease and the definition.
-- ARGV: execution, delivery, node, holder, lease in ms, record ttl in ms.
-- Returns {'ok', token, attempt, now, execution as a flat list, definition, its revision}, or {why not, now}.
local id, delivery, node, holder = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local lease, ttl = tonumber(ARGV[7]), tonumber(ARGV[8])
local now = now_ms()
local key = P .. 'exec:' .. id
local run, job = run_of(id), job_of(id)
local e = read_execution(id, 'state', 'delivery', 'node', 'attempt', 'start_by_ms')

if not e[1] then return { 'gone', now } end
if e[1] ~= 'queued' then return { 'is ' .. e[1], now } end
if e[3] ~= node then return { 'is for node ' .. (e[3] or ''), now } end
if delivery > tonumber(e[2]) then return { 'was never sent', now } end
local attempt = tonumber(e[4]) + 1
local start_by = tonumber(e[5])
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
redis.call('HSET', key, 'state', 'running', 'token', int(token), 'attempt', attempt, 'holder', holder,
  a .. 'token', int(token), a .. 'node', node, a .. 'started_ms', int(now), a .. 'state', 'running')
redis.call('HSETNX', key, 'started_ms', int(now))
redis.call('ZADD', P .. 'open', int(now + lease), id)
event('started', 'execution', id, 'run', run, 'job', job, 'node', node, 'attempt', attempt, 'at', int(now))
return { 'ok', token, attempt, now, redis.call('HGETALL', key), body, tonumber(revision) }
