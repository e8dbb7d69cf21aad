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
    local state, reason, message = 'skipped', 'cancelled', 'cancelled by ' .. who
    if tonumber(e[2] or 0) > 0 then
      local lost
      state, lost = last_outcome(key, e[2])
      -- what a node left behind may have done its work: that nobody tries again does not make it known
      if state == 'lost' then reason, message = lost, message .. ' after its node stopped reporting' end
    end
    close(id, state, reason, message, now, ttl)
    word = 'ended'
  elseif e[1] == 'running' then
    redis.call('HSET', key, 'cancel', 1, 'cancelled_by', who)
    redis.call('PUBLISH', P .. 'control:' .. e[3], 'cancel ' .. id)
    word = 'told'
  end
  words[#words + 1] = word
end
return { now, words }
