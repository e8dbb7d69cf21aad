-- Give a queued execution (another) node and a message; only if nobody did so since it was read.
-- ARGV: then for each: execution, delivery that was read, node, queue key, message or '', look again in ms.
-- Returns {now, a code each}: 1 done; 0 it has moved on.
local now = now_ms()
local codes = {}
for i = 3, #ARGV, 6 do
  local id, delivery, node = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local key = P .. 'exec:' .. id
  local e = read_execution(id, 'state', 'delivery')
  local code = 0
  if e[1] == 'queued' and e[2] == delivery then
    redis.call('HSET', key, 'node', node, 'delivery', int(tonumber(delivery) + 1), 'message', '')
    redis.call('ZADD', P .. 'open', int(now + tonumber(ARGV[i + 5])), id)
    if ARGV[i + 4] ~= '' then redis.call('LPUSH', ARGV[i + 3], ARGV[i + 4]) end
    event('sent', 'execution', id, 'run', run_of(id), 'job', job_of(id), 'node', node, 'delivery', int(tonumber(delivery) + 1), 'at', int(now))
    code = 1
  end
  codes[#codes + 1] = code
end
return { now, codes }
