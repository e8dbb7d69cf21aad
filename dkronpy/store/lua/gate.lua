-- Gates: what a run has to pass before its executions may start. They are the limit of its job ('job:<job>:<key>'), pools that
-- several jobs share ('pool:<name>'), and the rate of its job ('rate:<job>'). Shared by all steps, behind record.lua.
--
-- A run that may not pass waits in the queue of the first gate that refused it, the higher priority first, then who came first;
-- while it waits it holds nothing. Whoever ends a run makes room and lets in who waits there; the leader looks again now and then.
-- A run without limits has no field 'gate', and costs no command here.
--
-- gate: {max, key, policy, most, pools = {{name, slots}, ...}, rate, per, rank, limit_ms, window, rechoose}
--   at most max runs of the job with this key; most may wait for it; at most rate starts in per ms; rank is the priority;
--   it waits until limit_ms; window is its time to start once it is let in; rechoose: its node is chosen then.

local LOOK_AGAIN = 10000  -- at a run that waits: who makes room lets it in at once, this is for who died before he could
local LET_IN = 100        -- at most, by one call
local RANK = 1e13         -- priority is worth more than any time

local function queue_of(gate) return P .. 'wait:' .. gate end

local function job_gate(job, g) return 'job:' .. job .. ':' .. g.key end

-- The open runs of a job that share a key, but for one: those that are in, and those that wait.
local function open_runs(job, key, but)
  local seen, inside, waiting = {}, {}, {}
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'job:' .. job .. ':active')) do
    local run = string.match(id, '^(.*)%.%d+$')
    if run and run ~= but and not seen[run] then
      seen[run] = true
      local r = redis.call('HMGET', P .. 'run:' .. run, 'waits', 'key')
      if key == '' or r[2] == key then
        local list = r[1] and waiting or inside
        list[#list + 1] = run
      end
    end
  end
  table.sort(inside)
  table.sort(waiting)
  return inside, waiting
end

-- Whether somebody waits at a gate whose turn comes before this place.
local function others_first(gate, run, place)
  local head = redis.call('ZRANGE', queue_of(gate), 0, 0, 'WITHSCORES')
  return head[1] and head[1] ~= run and tonumber(head[2]) <= place
end

local function pool_used(name)
  local used = 0
  for _, slots in ipairs(redis.call('HVALS', P .. 'pool:' .. name)) do used = used + tonumber(slots) end
  return used
end

-- The first gate that refuses a run, why, and when to ask again where that is known; nothing where all let it in.
local function refusal(run, job, g, place, now)
  if g.max then
    local gate = job_gate(job, g)
    local inside = open_runs(job, g.key, run)
    if #inside >= g.max or others_first(gate, run, place) then
      return gate, 'waits for ' .. (inside[1] and 'the end of ' .. inside[1] or 'its turn')
    end
  end
  for _, pool in ipairs(g.pools or {}) do
    local gate = 'pool:' .. pool[1]
    local size = tonumber(redis.call('HGET', P .. 'pools', pool[1]))
    if not size then return gate, 'waits for pool ' .. pool[1] .. ', which does not exist' end
    local used = pool_used(pool[1])
    if used + pool[2] > size or others_first(gate, run, place) then
      return gate, 'waits for pool ' .. pool[1] .. ': ' .. int(used) .. ' of ' .. int(size) .. ' slots are taken'
    end
  end
  if g.rate then
    local gate, key = 'rate:' .. job, P .. 'rate:' .. job
    redis.call('ZREMRANGEBYSCORE', key, '-inf', int(now - g.per))
    local oldest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    local full = redis.call('ZCARD', key) >= g.rate
    if full or others_first(gate, run, place) then
      return gate, 'waits for its rate: ' .. int(g.rate) .. ' in ' .. int(g.per / 1000) .. ' s', tonumber(oldest[2] or now) + g.per + 1
    end
  end
end

-- A run that nobody refuses takes what it was let in for.
local function take(run, job, g, now)
  for _, pool in ipairs(g.pools or {}) do redis.call('HSET', P .. 'pool:' .. pool[1], run, int(pool[2])) end
  if g.rate then
    redis.call('ZADD', P .. 'rate:' .. job, int(now), run)
    redis.call('PEXPIRE', P .. 'rate:' .. job, int(g.per))
  end
end

local function executions_of(run)
  local found = {}
  for n = 0, tonumber(redis.call('HGET', P .. 'run:' .. run, 'size') or 1) - 1 do found[#found + 1] = run .. '.' .. n end
  return found
end

-- Those of them that have not been cancelled while the run waited.
local function queued_of(run)
  local found = {}
  for _, id in ipairs(executions_of(run)) do
    if read_execution(id, 'state')[1] == 'queued' then found[#found + 1] = id end
  end
  return found
end

local function wait_at(run, gate, why, again, g, place, now)
  local before = redis.call('HGET', P .. 'run:' .. run, 'waits')
  redis.call('ZADD', queue_of(gate), string.format('%.0f', place), run)
  redis.call('HSET', P .. 'run:' .. run, 'waits', gate)
  for _, id in ipairs(queued_of(run)) do
    redis.call('HSET', P .. 'exec:' .. id, 'waits', gate, 'message', why, 'start_by_ms', int(g.limit_ms))
    redis.call('ZADD', P .. 'open', int(math.min(g.limit_ms + 1, again or now + LOOK_AGAIN)), id)
  end
  if before ~= gate then event('waits', 'run', run, 'gate', gate, 'message', why, 'at', int(now)) end
end

-- The executions of a run that has waited are queued now; the sweep finds them nodes.
local function let_in(run, job, g, now)
  take(run, job, g, now)
  redis.call('HDEL', P .. 'run:' .. run, 'waits')
  for _, id in ipairs(queued_of(run)) do
    local key = P .. 'exec:' .. id
    redis.call('HDEL', key, 'waits')
    redis.call('HSET', key, 'message', '', 'start_by_ms', start_by(key, now, g.window))
    redis.call('ZADD', P .. 'open', int(now), id)
  end
  event('let_in', 'run', run, 'job', job, 'at', int(now))
  redis.call('PUBLISH', P .. 'wake', 'let in')
end

-- Let in who waits at a gate and has room now, in the order of the queue.
local function pump(gate, now)
  local queue = queue_of(gate)
  for _ = 1, LET_IN do
    local head = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
    local run = head[1]
    if not run then return end
    local packed, job = redis.call('HGET', P .. 'run:' .. run, 'gate'), job_of(run)
    if not packed then
      redis.call('ZREM', queue, run)
    else
      local g, place = cmsgpack.unpack(packed), tonumber(head[2])
      local refused, why, again = refusal(run, job, g, place, now)
      if refused ~= gate then redis.call('ZREM', queue, run) end
      if refused then
        wait_at(run, refused, why, again, g, place, now)
        if refused == gate then return end
      else
        let_in(run, job, g, now)
      end
    end
  end
end

-- A run with a gate has ended: it leaves the queue that it may stand in, gives back what it holds, and others are let in.
leave_gates = function(run, job, packed, waits, now)
  local g = cmsgpack.unpack(packed)
  if waits then redis.call('ZREM', queue_of(waits), run) end
  for _, pool in ipairs(g.pools or {}) do redis.call('HDEL', P .. 'pool:' .. pool[1], run) end
  if g.max then pump(job_gate(job, g), now) end
  for _, pool in ipairs(g.pools or {}) do pump('pool:' .. pool[1], now) end
end

-- End what is open of one execution: what waits ends here, what runs is flagged and its node told. Returns what was done.
local function cancel(id, who, at_once, now, ttl)
  local key = P .. 'exec:' .. id
  local e = read_execution(id, 'state', 'attempt', 'node')
  if e[1] == 'queued' or e[1] == 'retry_wait' then
    local state, reason, message = 'skipped', 'cancelled', 'cancelled by ' .. who
    if tonumber(e[2]) > 0 then
      local lost
      state, lost = last_outcome(key, e[2])
      -- what a node left behind may have done its work: that nobody tries again does not make it known
      if state == 'lost' then reason, message = lost, message .. ' after its node stopped reporting' end
    end
    close(id, state, reason, message, now, ttl)
    return 'ended'
  elseif e[1] == 'running' then
    redis.call('HSET', key, 'cancel', 1, 'cancelled_by', who)
    if at_once then redis.call('HSET', key, 'kill', 1) end
    redis.call('PUBLISH', P .. 'control:' .. e[3], (at_once and 'terminate ' or 'cancel ') .. id)
    return 'told'
  end
  return e[1] or 'gone'
end

-- The newer run takes the place of those before it: who waits is ended, and as many of those inside as there are too many.
local function make_way(run, job, g, now, ttl)
  local inside, waiting = open_runs(job, g.key, run)
  local function out(other)
    for _, id in ipairs(executions_of(other)) do cancel(id, run, g.policy == 'terminate', now, ttl) end
  end
  for _, other in ipairs(waiting) do out(other) end
  for n = 1, #inside - g.max + 1 do out(inside[n]) end
end

-- Whether a new run is not even to wait; nothing, or why.
local function no_place(run, job, g)
  if not g.max then return end
  local inside, waiting = open_runs(job, g.key, run)
  if g.policy == 'forbid' then
    if #inside + #waiting >= g.max then return (inside[1] or waiting[1]) .. ' is still open' end
  elseif g.most and #waiting >= g.most then
    return int(#waiting) .. ' earlier ' .. (#waiting == 1 and 'run waits' or 'runs wait') .. ' already'
  end
end

-- One execution of a rolling run has ended, others have not: after a success the next one that is held has its turn; after
-- anything else none has. Those that run already end as they will.
roll = function(run, state, now, ttl)
  local held = {}
  for _, id in ipairs(executions_of(run)) do
    local e = read_execution(id, 'state', 'held', 'rolling')
    if e[1] == 'queued' and e[2] then
      if state == 'success' then
        local key = P .. 'exec:' .. id
        redis.call('HDEL', key, 'held')
        redis.call('HSET', key, 'message', '', 'start_by_ms', start_by(key, now, tonumber(e[3])))
        redis.call('ZADD', P .. 'open', int(now), id)
        redis.call('PUBLISH', P .. 'wake', 'next')
        return
      end
      held[#held + 1] = id
    end
  end
  for _, id in ipairs(held) do redis.call('HDEL', P .. 'exec:' .. id, 'held', 'rolling') end
  for _, id in ipairs(held) do
    close(id, 'skipped', 'rolling_stopped', 'an earlier node ended as ' .. state, now, ttl)
  end
end
