-- A broadcast that matched nobody when it was fired has found nodes: what waited becomes an execution for each of them.
-- They are sent as any that nobody has yet; of a rolling run those that come later are held.
-- ARGV: the execution that waits, delivery that was read, how many may run at a time (0: all), what is said of those that
--   are held, the nodes. Returns {now, 1 | 0}: 0 it has moved on.
local id, delivery, rolling, held = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local now = now_ms()
local run = run_of(id)
local e = read_execution(id, 'state', 'delivery', 'node', 'attempt')
if e[1] ~= 'queued' or e[2] ~= delivery or e[3] ~= '' then return { now, 0 } end
local fields = redis.call('HGETALL', P .. 'exec:' .. id)
local count = #ARGV - 6
for n = 0, count - 1 do
  local one, node = run .. '.' .. n, ARGV[7 + n]
  local key = P .. 'exec:' .. one
  write('HSET', key, fields)
  redis.call('HSET', key, 'node', node, 'message', '')
  if rolling > 0 and n >= rolling then redis.call('HSET', key, 'held', 1, 'message', held) end
  redis.call('ZADD', P .. 'open', int(now), one)
  redis.call('SADD', P .. 'job:' .. job_of(id) .. ':active', one)
end
if count > 1 then redis.call('HSET', P .. 'run:' .. run, 'size', count, 'open', count) end
event('widened', 'run', run, 'job', job_of(id), 'executions', count, 'at', int(now))
return { now, 1 }
