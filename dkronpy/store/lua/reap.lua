-- Look at each open execution whose moment has come: close what died or came too late, name what must be sent (again).
-- ARGV: epoch, at most how many, pause until the next look in ms, start window of a retry in ms, record ttl in ms.
-- Returns {now, {{execution, delivery, node, run, job, attempt, 1 if below live ones, queued at}, ...}, how many were closed}; nothing for one who does not lead.
local epoch, most, pause, window, ttl = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local now = now_ms()
local send, closed = {}, 0
local WITHOUT_NODE = 1000  -- a node may come up any moment
if redis.call('HGET', P .. 'leader', 'epoch') ~= epoch then return { now, send, 0 } end

local function queue_again(id, key)
  redis.call('HSET', key, 'state', 'queued', 'start_by_ms', start_by(key, now, window))
end

-- Whether an execution waited too long at a gate; if not, whoever may pass there now is let in.
local WAITED = { job = 'overlap', pool = 'pool_full', rate = 'rate_limited' }
local function waited_too_long(id, key, gate, limit)
  if now > limit then
    close(id, 'skipped', WAITED[string.match(gate, '^%a+')], redis.call('HGET', key, 'message') or '', now, ttl)
    return true
  end
  redis.call('ZADD', P .. 'open', int(math.min(limit + 1, now + LOOK_AGAIN)), id)
  pump(gate, now)
  return false
end

-- Whether a queued execution is past its start deadline; then it ends as what it last was.
local function expired(id, key, e)
  local attempt, start_by = tonumber(e[3]), tonumber(e[5])
  if start_by == 0 or now <= start_by then return false end
  if attempt == 0 then
    local reason = e[4] == '' and 'no_live_node' or 'not_started_in_deadline'
    local message = e[4] == '' and '' or 'node ' .. e[4] .. ' did not take it up'
    close(id, 'skipped', reason, message, now, ttl)
    return true
  end
  local state, reason = last_outcome(key, e[3])
  close(id, state, reason, 'the next attempt was not taken up in time', now, ttl)
  return true
end

local function lease_ran_out(id, key, e)
  local a = 'a' .. e[3] .. '.'
  local message = 'node ' .. e[4] .. ' stopped reporting'
  redis.call('HSET', key, a .. 'state', 'lost', a .. 'reason', 'lease_expired', a .. 'message', message, a .. 'finished_ms', int(now))
  local left = tonumber(e[3]) < tonumber(e[7])
  if e[6] == 'at_least_once' and left and e[8] ~= '1' then
    queue_again(id, key)
    return false
  end
  close(id, 'lost', e[6] == 'at_least_once' and not left and 'attempts_exhausted' or 'lease_expired', message, now, ttl)
  return true
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'open', '-inf', int(now), 'LIMIT', 0, most)) do
  local key = P .. 'exec:' .. id
  local e = read_execution(id, 'state', 'delivery', 'attempt', 'node', 'start_by_ms', 'mode', 'max_attempts', 'cancel', 'waits', 'held', 'below', 'queued_ms')
  local ended, silent = false, false
  if not e[1] then
    redis.call('ZREM', P .. 'open', id)
    ended = true
  elseif e[1] ~= 'queued' and e[1] ~= 'running' and e[1] ~= 'retry_wait' then
    silent = true  -- the end of another of these has ended it
  elseif e[1] == 'running' then
    ended = lease_ran_out(id, key, e)
  elseif e[1] == 'retry_wait' then
    queue_again(id, key)
  elseif e[9] then
    ended, silent = waited_too_long(id, key, e[9], tonumber(e[5])), true
  elseif e[10] then  -- held until others of its run have ended
    redis.call('ZADD', P .. 'open', int(now + LOOK_AGAIN), id)
    silent = true
  else
    ended = expired(id, key, e)
  end
  if ended then
    closed = closed + 1
  elseif not silent then
    redis.call('ZADD', P .. 'open', int(now + (e[4] == '' and WITHOUT_NODE or pause)), id)
    send[#send + 1] = { id, tonumber(e[2]), e[4], run_of(id), job_of(id), tonumber(e[3]), tonumber(e[11] or 0), tonumber(e[12] or 0) }
  end
end
return { now, send, closed }
