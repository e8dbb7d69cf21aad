-- Turn due times into runs: for each item the next due time, the runs, their executions and their messages, or nothing.
-- ARGV: epoch ('' for a run by hand), record ttl in ms, history limit, the items as one msgpack array, their shard:
--   item: {job, revision, expected score, next score, meta, forbid, runs, settled, a history limit of its own or nothing}
--   run: {id, index score in ms, decision, reason, run fields, executions, what it has to pass (gate.lua) or nothing}
--   execution: {id, fields, look again at ms, queue key, message}
-- Scores are seconds as RedBeat keeps them, '' where there is none. Returns {now, code an item}:
--   1 done; 0 the due time is no longer what was read; -2 the definition changed; -1 the run exists already;
--   -3 a key of it is of another kind than ours; -9 not the leader.
-- Fields that have their usual value are not written (docs/ledger.md lists them). What goes to a key that all items share
-- is gathered and written once: most of what a call costs is the number of commands in it.
local epoch, ttl, history, items = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), cmsgpack.unpack(ARGV[6])
local shard = tonumber(ARGV[7])
local leader = P .. 'leader' .. (shard > 0 and ':' .. int(shard) or '')
local now = now_ms()
local at = int(now)
local codes = {}
if epoch ~= '' and redis.call('HGET', leader, 'epoch') ~= epoch then
  for i = 1, #items do codes[i] = -9 end
  return { now, codes }
end

local schedule = schedule_in(shard)
local moves, leaves, recent, look = {}, {}, {}, {}  -- as arguments of ZADD, ZREM, ZADD and ZADD
local queues = {}
gathered = {}

-- Where the entries stand on the schedule, read in one go.
local stands = {}
local function read_scores()
  local entries = {}
  for _, item in ipairs(items) do
    if item[3] ~= '' then entries[#entries + 1] = R .. item[1] end
  end
  for first = 1, #entries, CHUNK do
    local last = math.min(first + CHUNK - 1, #entries)
    for i, score in ipairs(redis.call('ZMSCORE', schedule, unpack(entries, first, last))) do
      stands[entries[first + i - 1]] = tonumber(score or nil)
    end
  end
end

-- Which runs exist already: mostly none does, which is asked for all of them at once.
local made, some = {}, false
local function look_for_runs()
  local keys = {}
  for _, item in ipairs(items) do
    for _, run in ipairs(item[7]) do keys[#keys + 1] = P .. 'run:' .. run[1] end
  end
  for first = 1, #keys, CHUNK do
    some = redis.call('EXISTS', unpack(keys, first, math.min(first + CHUNK - 1, #keys))) > 0 or some
  end
end
local function exists(id) return made[id] or some and redis.call('EXISTS', P .. 'run:' .. id) == 1 end

local function save_skipped(job, id, key, reason)
  redis.call('HSET', key, 'decision', 'skip', 'n_skipped', 1)
  local r = redis.call('HMGET', key, 'count', 'message')
  settle_run(id, job, read_run(key), { skipped = tonumber(r[1] or 1) }, reason, r[2] or '', now, ttl)
end

-- What a run has to pass: nothing and it is in, or the gate at which it waits; a third answer says why it is not even to wait.
local function pass(job, id, g)
  write('ZADD', P .. 'open', look)  -- one that has to make way may have been fired just now
  look = {}
  local none = no_place(id, job, g)
  if none then return nil, nil, none end
  if g.policy == 'cancel' or g.policy == 'terminate' then make_way(id, job, g, now, ttl) end
  local gate, why, again = refusal(id, job, g, now - g.rank * RANK, now)
  if not gate then take(id, job, g, now) end
  return gate, { why, again }
end

local function save_run(job, forbid, run, limit)
  local id, decision, executions = run[1], run[3], run[6]
  local key = P .. 'run:' .. id
  if exists(id) then return false end
  made[id] = true
  local active = P .. 'job:' .. job .. ':active'
  local reason = run[4]
  if decision == 'fire' and forbid and redis.call('SCARD', active) > 0 then
    decision, reason, executions = 'skip', 'overlap', {}
  end
  local g, gate, told_why, none = run[7], nil, nil, nil
  if g and decision == 'fire' then
    gate, told_why, none = pass(job, id, g)
    redis.call('HSET', key, 'gate', cmsgpack.pack(g), 'key', g.key)
    if none then
      decision, reason, executions = 'skip', 'overlap', {}
      redis.call('HDEL', key, 'gate')
    end
  end
  redis.call('HSET', key, 'fired_ms', at, unpack(run[5]))
  if #executions ~= 1 then redis.call('HSET', key, 'size', #executions, 'open', #executions) end
  redis.call('ZADD', P .. 'job:' .. job .. ':runs', run[2], id)
  redis.call('ZREMRANGEBYRANK', P .. 'job:' .. job .. ':runs', 0, -(limit or history) - 1)
  recent[#recent + 1] = at
  recent[#recent + 1] = id
  if none then redis.call('HSET', key, 'message', none) end
  if #executions == 0 then
    save_skipped(job, id, key, reason)
    return true
  end
  for _, e in ipairs(executions) do
    redis.call('HSET', P .. 'exec:' .. e[1], 'queued_ms', at, unpack(e[2]))
    redis.call('SADD', active, e[1])
    if gate then
      redis.call('HSET', P .. 'exec:' .. e[1], 'delivery', 0)
      if g.rechoose then redis.call('HSET', P .. 'exec:' .. e[1], 'node', '') end
    else
      look[#look + 1] = e[3]
      look[#look + 1] = e[1]
    end
    if e[5] ~= '' and not gate then
      local queue = queues[e[4]] or {}
      queues[e[4]], queue[#queue + 1] = queue, e[5]
    end
  end
  if gate then wait_at(id, gate, told_why[1], told_why[2], g, now - g.rank * RANK, now) end
  event('fired', 'run', id, 'job', job, 'executions', #executions, 'at', at)
  return true
end

local function fire(item)
  local job, expected, following = item[1], item[3], item[4]
  local entry = R .. job
  if redis.call('HGET', entry, 'rev') ~= item[2] then return -2 end
  if expected ~= '' then
    if stands[entry] ~= tonumber(expected) then return 0 end
    stands[entry] = tonumber(following)
    if following == '' then
      leaves[#leaves + 1] = entry
    else
      moves[#moves + 1] = following
      moves[#moves + 1] = entry
    end
    redis.call('HSET', entry, 'meta', item[5])
    if item[8] then redis.call('HDEL', entry, 'owed') end
  end
  local code = 1
  for _, run in ipairs(item[7]) do
    if not save_run(job, item[6], run, item[9]) then code = -1 end
  end
  return code
end

read_scores()
look_for_runs()
for i, item in ipairs(items) do
  local done, code = pcall(fire, item)
  codes[i] = done and code or -3
end
write('ZREM', schedule, leaves)
write('ZADD', schedule, moves)
write('ZADD', P .. 'open', look)
write('ZADD', P .. 'runs', recent)
if #recent > 0 then redis.call('ZREMRANGEBYRANK', P .. 'runs', 0, -RUNS_KEPT - 1) end
for queue, messages in pairs(queues) do
  -- one that cannot be pushed is missed, and sent again
  pcall(write, 'LPUSH', queue, messages)
end
tell()
return { now, codes }
