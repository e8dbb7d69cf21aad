-- What beat has to know of runs that have ended, to see them off; those that ended first before others.
-- ARGV: until when they stand in `done`, in ms; how many at most.
-- Returns of each {run, state or '', reason, finished at or 0, whether that was seen before, whether others follow its job,
--   whether its definition has the word 'ephemeral', state and attempt of each of its executions}.
local ids = redis.call('ZRANGE', P .. 'done', '-inf', ARGV[3], 'BYSCORE', 'LIMIT', 0, ARGV[4])
local found = {}
for i, id in ipairs(ids) do
  local key, job = P .. 'run:' .. id, job_of(id)
  local r = redis.call('HMGET', key, 'state', 'reason', 'finished_ms', 'settled', 'size', 'executions')
  local executions = {}
  for n = 0, size_of(r[5], r[6]) - 1 do
    local e = redis.call('HMGET', P .. 'exec:' .. id .. '.' .. n, 'state', 'attempt')
    if e[1] then executions[#executions + 1] = { n, e[1], tonumber(e[2] or 0) } end
  end
  local body = redis.pcall('HGET', R .. job, 'job')  -- an entry of another kind must not stop the others
  found[i] = { id, r[1] or '', r[2] or '', tonumber(r[3] or 0), r[1] and r[4] == r[1] and 1 or 0,
    redis.call('EXISTS', P .. 'job:' .. job .. ':children'),
    type(body) == 'string' and string.find(body, 'ephemeral', 1, true) and 1 or 0, executions }
end
return found
