-- Beat has looked at runs that have ended. What was seen off is noted, and not looked at again; nor does it stay for long
-- where the results backend has it. What has changed since beat read it stays as it is, and is looked at anew.
-- ARGV: how long records stay then in ms, and streams of output; the runs as one msgpack array:
--   {run, state and when it finished as they were read, whether it was seen off, when to look again in ms or 0,
--   place and attempt of each of its executions where the records need not stay, or nothing}
local records, streams = ARGV[3], ARGV[4]
local gone, again = {}, {}

local function shorten(id, executions)
  redis.call('PEXPIRE', P .. 'run:' .. id, records)
  for _, e in ipairs(executions) do
    local execution = id .. '.' .. e[1]
    redis.call('PEXPIRE', P .. 'exec:' .. execution, records)
    if e[2] > 0 then redis.call('PEXPIRE', P .. 'out:' .. execution .. ':' .. e[2], streams) end
  end
end

for _, run in ipairs(cmsgpack.unpack(ARGV[5])) do
  local id, state, finished, seen, later, executions = unpack(run)
  local key = P .. 'run:' .. id
  local r = redis.call('HMGET', key, 'state', 'finished_ms')
  if (r[1] or '') == state and tonumber(r[2] or 0) == finished then
    if seen and r[1] then redis.call('HSET', key, 'settled', state) end
    if later > 0 then
      again[#again + 1] = int(later)
      again[#again + 1] = id
    else
      gone[#gone + 1] = id
    end
    if executions then shorten(id, executions) end
  end
end
write('ZREM', P .. 'done', gone)
write('ZADD', P .. 'done', again)
