-- An agent extends all its leases in one call and learns what to stop.
-- ARGV: lease in ms, then execution, token, execution, token, ... Returns {now, a code each}: 1 go on; 2 cancel; 3 end at once; 0 no longer yours.
local lease = tonumber(ARGV[3])
local now = now_ms()
local codes = {}
for i = 4, #ARGV, 2 do
  local e = redis.pcall('HMGET', P .. 'exec:' .. ARGV[i], 'state', 'token', 'cancel', 'kill')
  local code = 0  -- also of a record of another kind, so that the others go on
  if e[1] == 'running' and e[2] == ARGV[i + 1] then
    redis.call('ZADD', P .. 'open', 'XX', int(now + lease), ARGV[i])
    code = e[3] ~= '1' and 1 or e[4] and 3 or 2
  end
  codes[#codes + 1] = code
end
return { now, codes }
