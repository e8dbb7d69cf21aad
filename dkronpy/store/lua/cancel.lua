-- Cancel executions: what waits ends here; what runs is flagged, and its agent told at once and again at each renewal.
-- ARGV: who, record ttl in ms, then executions. Returns {now, a word each}: 'ended', 'told', or the state it was in already.
local who, ttl = ARGV[3], tonumber(ARGV[4])
local now = now_ms()
local words = {}
for i = 5, #ARGV do
  local id = ARGV[i]
  local key = P .. 'exec:' .. id
  local e = redis.call('HMGET', key, 'state', 'attempt', 'node')
  local word = e[1] or 'gone'
  if e[1] == 'queued' or e[1] == 'retry_wait' then
    close(id, e[2] == '0' and 'skipped' or 'failed', 'cancelled', 'cancelled by ' .. who, now, ttl)
    word = 'ended'
  elseif e[1] == 'running' then
    redis.call('HSET', key, 'cancel', 1, 'cancelled_by', who)
    redis.call('PUBLISH', P .. 'control:' .. e[3], 'cancel ' .. id)
    word = 'told'
  end
  words[#words + 1] = word
end
return { now, words }
