"""What the Redis results backend does in one step on the server: save a record, trim a job, drop runs.

A run is two keys. Its hash has the fields ``job``, ``run`` and ``execution:<id>`` for each execution; a
record there is one digit (its rank: what has a lower one never replaces it) and its JSON. A second hash has
the outputs.

KEYS of all scripts, as ``Keys.of_job`` lists them:
    1 job (by due time)   2 job-aged (by age)   3 job-ranges (by last due time)
    4 runs (by due time)  5 aged (by age)       6 jobs (by last age)
    7 job-failed (by age): the failed runs that are kept beyond the others, which are no longer in job-aged
    8... state (by due time), one for each
ARGV of all: 1 prefix of a run's key, 2 prefix of its outputs' key, 3 prefix of every key.
"""

_SHARED = """
local run_prefix, output_prefix, prefix = ARGV[1], ARGV[2], ARGV[3]
local JOB, JOB_AGED, RANGES, RUNS, AGED, JOBS, JOB_FAILED = unpack(KEYS, 1, 7)
local FIRST_STATE = 8

-- Returns how many runs went: 1, or 0 where there was none any more.
local function forget(id)
    local there = redis.call('EXISTS', run_prefix .. id)
    redis.call('UNLINK', run_prefix .. id, output_prefix .. id)
    for i = 1, #KEYS do
        if i ~= 6 then redis.call('ZREM', KEYS[i], id) end
    end
    return there
end

-- A job of which nothing is kept is none of JOBS.
local function clear_job(job)
    if redis.call('EXISTS', prefix .. 'job-aged:' .. job, prefix .. 'job-failed:' .. job) == 0 then
        redis.call('ZREM', JOBS, job)
    end
end
"""

_TRIM = """
-- States whose runs are kept longer, by the number of their key.
local function failed(id, failing)
    for number in string.gmatch(failing, '%d+') do
        if redis.call('ZSCORE', KEYS[FIRST_STATE - 1 + number], id) then return true end
    end
    return false
end

-- Of the runs of a job the oldest, up to `most`, that are beyond `keep` or older than `before`: those that failed are
-- kept as such, up to `failures` and until they are older than `failed_before`. Returns how many were forgotten.
local function trim(most, keep, before, failures, failed_before, failing)
    local gone, over = 0, redis.call('ZCARD', JOB_AGED) - keep
    local old = redis.call('ZRANGE', JOB_AGED, 0, most - 1, 'WITHSCORES')
    for i = 1, #old, 2 do
        local id, age = old[i], tonumber(old[i + 1])
        local there = redis.call('EXISTS', run_prefix .. id) == 1
        if not there then
            forget(id)
        elseif (i + 1) / 2 <= over or age < before then
            if failures > 0 and age >= failed_before and failed(id, failing) then
                redis.call('ZREM', JOB_AGED, id)
                redis.call('ZADD', JOB_FAILED, old[i + 1], id)
            else
                gone = gone + forget(id)
            end
        end
    end
    over = redis.call('ZCARD', JOB_FAILED) - failures
    old = redis.call('ZRANGE', JOB_FAILED, 0, most - 1, 'WITHSCORES')
    for i = 1, #old, 2 do
        local id, age = old[i], tonumber(old[i + 1])
        if (i + 1) / 2 <= over or age < failed_before or redis.call('EXISTS', run_prefix .. id) == 0 then
            gone = gone + forget(id)
        end
    end
    return gone
end
"""

SAVE = (
    _SHARED
    + _TRIM
    + """
-- ARGV: 4 lifetime in ms, 5 run id, 6 job, 7 field, 8 record, 9 age,
--       of a run: 10 due time, 11 last due time of a range or 0, 12 number of its state's key (0: none)
--         and, where the job is to keep no more than it should: 13 keep, 14 age, 15 failures, 16 their age, in ms,
--         17 the numbers of the states that are kept longer
--       of an execution: 10 its output, or '' to leave that alone
local lifetime, id, job, field, record, age = tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local run_key, output_key = run_prefix .. id, output_prefix .. id

local kept = redis.call('HGET', run_key, field)
if kept and string.byte(kept) > string.byte(record) then return 0 end
redis.call('HSET', run_key, 'job', job, field, record)

if field == 'run' then
    for i = FIRST_STATE, #KEYS do redis.call('ZREM', KEYS[i], id) end
    redis.call('ZREM', RANGES, id)
    redis.call('ZREM', JOB_FAILED, id)
    redis.call('ZADD', RUNS, ARGV[10], id)
    redis.call('ZADD', JOB, ARGV[10], id)
    redis.call('ZADD', AGED, age, id)
    redis.call('ZADD', JOB_AGED, age, id)
    if ARGV[11] ~= '0' then redis.call('ZADD', RANGES, ARGV[11], id) end
    if ARGV[12] ~= '0' then redis.call('ZADD', KEYS[FIRST_STATE - 1 + ARGV[12]], ARGV[10], id) end
else
    redis.call('ZADD', AGED, 'NX', age, id)
    if not redis.call('ZSCORE', JOB_FAILED, id) then redis.call('ZADD', JOB_AGED, 'NX', age, id) end
    if ARGV[10] ~= '' then redis.call('HSET', output_key, field, ARGV[10]) end
end
redis.call('ZADD', JOBS, age, job)

-- Each save adds at most one member and takes up to two: no index outgrows what it stands for.
if ARGV[13] then
    trim(2, tonumber(ARGV[13]), age - ARGV[14], tonumber(ARGV[15]), age - ARGV[16], ARGV[17])
end
for _, index in ipairs({JOB_AGED, AGED}) do
    for _, old in ipairs(redis.call('ZRANGE', index, 0, 1)) do
        if redis.call('EXISTS', run_prefix .. old) == 0 then forget(old) end
    end
end
for _, name in ipairs(redis.call('ZRANGE', JOBS, 0, 1)) do clear_job(name) end

-- An index lives as long as the longest-lived record in it.
local function live(key)
    if redis.call('PTTL', key) < lifetime then redis.call('PEXPIRE', key, lifetime) end
end
live(run_key)
live(output_key)
for i = 1, #KEYS do live(KEYS[i]) end
return 1
"""
)

TRIM = (
    _SHARED
    + _TRIM
    + """
-- ARGV: 4 job, 5 most, 6 keep, 7 before, 8 failures, 9 failed before, 10 states that are kept longer.
-- Returns how many were forgotten.
local n = {}
for i = 5, 9 do n[#n + 1] = tonumber(ARGV[i]) end
local gone = trim(n[1], n[2], n[3], n[4], n[5], ARGV[10])
clear_job(ARGV[4])
return gone
"""
)

DROP = (
    _SHARED
    + """
-- ARGV: 4 job, 5... run ids. Returns how many of them were there.
local gone = 0
for i = 5, #ARGV do gone = gone + forget(ARGV[i]) end
clear_job(ARGV[4])
return gone
"""
)
