"""What the Redis results backend does in one step on the server: save a record, and drop whole runs.

A run is two keys. Its hash has the fields ``job``, ``run`` and ``execution:<id>`` for each execution; a
record there is one digit (its rank: what has a lower one never replaces it) and its JSON. A second hash has
the outputs.

KEYS of both scripts, as ``Keys.of_job`` lists them:
    1 job (by due time)   2 job-aged (by age)   3 job-ranges (by last due time)
    4 runs (by due time)  5 aged (by age)       6 jobs (by last age)   7... state (by due time), one for each
ARGV of both: 1 prefix of a run's key, 2 prefix of its outputs' key, 3 prefix of a job-aged key.
"""

_SHARED = """
local run_prefix, output_prefix, aged_prefix = ARGV[1], ARGV[2], ARGV[3]
local JOB, JOB_AGED, RANGES, RUNS, AGED, JOBS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]

local function forget(id)
    redis.call('UNLINK', run_prefix .. id, output_prefix .. id)
    for i = 1, #KEYS do
        if i ~= 6 then redis.call('ZREM', KEYS[i], id) end
    end
end
"""

SAVE = (
    _SHARED
    + """
-- ARGV: 4 lifetime in ms, 5 keep, 6 run id, 7 job, 8 field, 9 record, 10 age,
--       of a run: 11 due time, 12 last due time of a range or 0, 13 number of its state's key (0: none)
--       of an execution: 11 its output, or '' to leave that alone
local lifetime, keep, id, job, field, record, age =
    ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local run_key, output_key = run_prefix .. id, output_prefix .. id

local kept = redis.call('HGET', run_key, field)
if kept and string.byte(kept) > string.byte(record) then return 0 end
redis.call('HSET', run_key, 'job', job, field, record)

if field == 'run' then
    for i = 7, #KEYS do redis.call('ZREM', KEYS[i], id) end
    redis.call('ZREM', RANGES, id)
    redis.call('ZADD', RUNS, ARGV[11], id)
    redis.call('ZADD', JOB, ARGV[11], id)
    redis.call('ZADD', AGED, age, id)
    redis.call('ZADD', JOB_AGED, age, id)
    if ARGV[12] ~= '0' then redis.call('ZADD', RANGES, ARGV[12], id) end
    if ARGV[13] ~= '0' then redis.call('ZADD', KEYS[6 + ARGV[13]], ARGV[11], id) end
else
    redis.call('ZADD', AGED, 'NX', age, id)
    redis.call('ZADD', JOB_AGED, 'NX', age, id)
    if ARGV[11] ~= '' then redis.call('HSET', output_key, field, ARGV[11]) end
end
redis.call('ZADD', JOBS, age, job)

-- Each save adds at most one member and takes up to two: no index outgrows what it stands for.
local over = redis.call('ZCARD', JOB_AGED) - keep
if over > 0 then
    for _, old in ipairs(redis.call('ZRANGE', JOB_AGED, 0, math.min(over, 2) - 1)) do forget(old) end
end
for _, index in ipairs({JOB_AGED, AGED}) do
    for _, old in ipairs(redis.call('ZRANGE', index, 0, 1)) do
        if redis.call('EXISTS', run_prefix .. old) == 0 then forget(old) end
    end
end
for _, name in ipairs(redis.call('ZRANGE', JOBS, 0, 1)) do
    if redis.call('EXISTS', aged_prefix .. name) == 0 then redis.call('ZREM', JOBS, name) end
end

-- An index lives as long as the newest record in it.
redis.call('PEXPIRE', run_key, lifetime)
redis.call('PEXPIRE', output_key, lifetime)
for i = 1, #KEYS do redis.call('PEXPIRE', KEYS[i], lifetime) end
return 1
"""
)

DROP = (
    _SHARED
    + """
-- ARGV: 4 job, 5... run ids. Returns how many of them were there.
local gone = 0
for i = 5, #ARGV do
    gone = gone + redis.call('EXISTS', run_prefix .. ARGV[i])
    forget(ARGV[i])
end
if redis.call('EXISTS', JOB_AGED) == 0 then redis.call('ZREM', JOBS, ARGV[4]) end
return gone
"""
)
