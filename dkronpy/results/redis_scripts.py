"""What the Redis results backend does in one step on the server: save records of a run, make room, drop runs.

A run is two keys. Its hash has the fields ``job``, ``run`` and ``execution:<id>`` for each execution; a
record there is one digit (its rank: what has a lower one never replaces it) and its JSON. A second hash has
the outputs. Sorted sets find it: ``redis.Keys`` names them as ``_SHARED`` does.

ARGV[1] of all is the prefix of every key. A save takes part in each run that is executed, so what it asks of the
server is counted: ``scripts/bench load`` prints it.
"""

from typing import get_args

from dkronpy.execution import RunState
from dkronpy.results.keep import FAILING

_STATES = ", ".join(f"'{state}'" for state in get_args(RunState))
_FAILING = ", ".join(f"'{state}'" for state in FAILING)

_SHARED = (
    "local STATES, FAILING = {" + _STATES + "}, {" + _FAILING + "}"
    """
local prefix = ARGV[1]
-- By due time all runs; by age (when it ended) all runs; by their last age all jobs.
local RUNS, AGED, JOBS = prefix .. 'runs', prefix .. 'aged', prefix .. 'jobs'
local function run_key(id) return prefix .. 'run:' .. id end
local function output_key(id) return prefix .. 'output:' .. id end
local function state_key(state) return prefix .. 'state:' .. state end

-- The indexes of one job: by due time; by age; by the last due time of a range; by age the failed runs that are kept
-- beyond the others, which are no longer among those by age.
local function indexes(job)
    return {
        job = prefix .. 'job:' .. job, aged = prefix .. 'job-aged:' .. job,
        ranges = prefix .. 'job-ranges:' .. job, failed = prefix .. 'job-failed:' .. job,
    }
end

local function is_there(id) return redis.call('EXISTS', run_key(id)) == 1 end

-- Returns how many runs went: 1, or 0 where there was none any more.
local function forget(id, own)
    local there = redis.call('EXISTS', run_key(id))
    redis.call('UNLINK', run_key(id), output_key(id))
    for _, index in pairs(own) do redis.call('ZREM', index, id) end
    redis.call('ZREM', RUNS, id)
    redis.call('ZREM', AGED, id)
    for _, state in ipairs(STATES) do redis.call('ZREM', state_key(state), id) end
    return there
end

-- A job of which nothing is kept is none of JOBS.
local function clear_job(job, own)
    if redis.call('EXISTS', own.aged, own.failed) == 0 then redis.call('ZREM', JOBS, job) end
end

-- A record lives for `lifetime` after its last save, an index as long as the longest-lived record in it: somewhat
-- longer, so that not every save has to say so anew.
local function live(key, lifetime)
    if redis.call('PTTL', key) < lifetime then redis.call('PEXPIRE', key, lifetime) end
end
local function live_index(key, lifetime)
    if redis.call('PTTL', key) < lifetime then redis.call('PEXPIRE', key, math.floor(lifetime * 17 / 16)) end
end
local function live_everywhere(id, own, lifetime)
    live(run_key(id), lifetime)
    live(output_key(id), lifetime)
    for _, index in pairs(own) do live_index(index, lifetime) end
    for _, index in ipairs({ RUNS, AGED, JOBS }) do live_index(index, lifetime) end
    for _, state in ipairs(STATES) do live_index(state_key(state), lifetime) end
end
"""
)

SAVE = (
    _SHARED
    + """
-- ARGV: 2 lifetime in ms, 3 run id, 4 job, 5 how many executions, then of each: field, record, age, output, '-' where
-- there is none, or '' to leave that alone; then, where the run is saved as well: record, age, due time, last due time
-- of a range or 0, state.
-- Returns how many of the records were kept.
local lifetime, id, job, executions = tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local own, first_of_run = indexes(job), 6 + executions * 4
local with_run = ARGV[first_of_run] ~= nil
local saved, added, known, has_output = 0, 0, false, false

-- Returns whether it was saved, and what was there before.
local function put(field, record)
    local kept = redis.call('HGET', run_key(id), field)
    known = known or kept
    if kept and string.byte(kept) > string.byte(record) then return false, kept end
    redis.call('HSET', run_key(id), 'job', job, field, record)
    saved = saved + 1
    return true, kept
end

-- Executions whose run was never saved are found by age, to be forgotten.
local function index_executions(age)
    added = redis.call('ZADD', AGED, 'NX', age, id)
    if not redis.call('ZSCORE', own.failed, id) then redis.call('ZADD', own.aged, 'NX', age, id) end
    live_everywhere(id, own, lifetime)
end

local function index_run(age, due, last_due, state, before)
    if before then
        for _, other in ipairs(STATES) do redis.call('ZREM', state_key(other), id) end
        redis.call('ZREM', own.ranges, id)
        redis.call('ZREM', own.failed, id)
    end
    local places = { [RUNS] = due, [own.job] = due, [own.aged] = age, [state_key(state)] = due }
    if last_due ~= '0' then places[own.ranges] = last_due end
    for index, score in pairs(places) do
        redis.call('ZADD', index, score, id)
        live_index(index, lifetime)
    end
    added = redis.call('ZADD', AGED, age, id)
    live_index(AGED, lifetime)
    if known then
        live(run_key(id), lifetime)
        live(output_key(id), lifetime)
    else
        redis.call('PEXPIRE', run_key(id), lifetime)
        if has_output then redis.call('PEXPIRE', output_key(id), lifetime) end
    end
end

local function put_output(field, output, before)
    if output == '-' then
        if before then redis.call('HDEL', output_key(id), field) end
    elseif output ~= '' then
        redis.call('HSET', output_key(id), field, output)
        has_output = true
    end
end

for i = 6, first_of_run - 1, 4 do
    local done, before = put(ARGV[i], ARGV[i + 1])
    if done then
        put_output(ARGV[i], ARGV[i + 3], before)
        if not with_run then index_executions(ARGV[i + 2]) end
    end
end
local age = ARGV[8]
if with_run then
    local record, due, last_due, state
    record, age, due, last_due, state = unpack(ARGV, first_of_run, first_of_run + 4)
    local done, before = put('run', record)
    if done then index_run(age, due, last_due, state, before) else live_everywhere(id, own, lifetime) end
end
if saved == 0 then return 0 end

redis.call('ZADD', JOBS, age, job)
live_index(JOBS, lifetime)
-- Each save adds at most one member to an index and takes up to two that have expired: no index outgrows its runs.
-- Nothing expires before its lifetime is over.
local function outlived(index)
    local found = {}
    local old = redis.call('ZRANGE', index, 0, 1, 'WITHSCORES')
    for i = 1, #old, 2 do
        if tonumber(old[i + 1]) < age - lifetime then found[#found + 1] = old[i] end
    end
    return found
end
if added > 0 then
    for _, index in ipairs({ own.aged, AGED }) do
        for _, old in ipairs(outlived(index)) do
            if not is_there(old) then forget(old, own) end
        end
    end
    for _, name in ipairs(outlived(JOBS)) do clear_job(name, indexes(name)) end
end
return saved
"""
)

MAKE_ROOM = (
    _SHARED
    + """
-- ARGV: 2 how many may go of each job, 3 how many in all, then of each job: its name, how many runs it keeps, before
-- which age none, how many failures beyond them, before which age none of these; a run of it that is to live on or '',
-- for how long in ms. Returns how many went.
local each, left = tonumber(ARGV[2]), tonumber(ARGV[3])
local gone = 0

-- The members of an index by age that are beyond `keep` or older than `before`, oldest first, as member, age, ...
local function beyond(index, keep, before, most)
    local size = redis.call('ZCARD', index)
    if size == 0 then return {} end
    local n = math.min(most, math.max(size - keep, redis.call('ZCOUNT', index, '-inf', '(' .. before)))
    if n <= 0 then return {} end
    return redis.call('ZRANGE', index, 0, n - 1, 'WITHSCORES')
end

local function failed(id)
    for _, state in ipairs(FAILING) do
        if redis.call('ZSCORE', state_key(state), id) then return true end
    end
    return false
end

-- Keeps it among the failures: that index lives no shorter than it.
local function keep_as_failed(id, age, own)
    redis.call('ZREM', own.aged, id)
    redis.call('ZADD', own.failed, age, id)
    live_index(own.failed, redis.call('PTTL', run_key(id)))
end

local function make_room(own, keep, before, failures, failed_before, most)
    local went = 0
    local old = beyond(own.aged, keep, before, most)
    for i = 1, #old, 2 do
        if failures > 0 and tonumber(old[i + 1]) >= tonumber(failed_before) and failed(old[i]) then
            keep_as_failed(old[i], old[i + 1], own)
        else
            went = went + forget(old[i], own)
        end
    end
    old = beyond(own.failed, failures, failed_before, most - went)
    for i = 1, #old, 2 do went = went + forget(old[i], own) end
    return went
end

for i = 4, #ARGV, 7 do
    local job, keep, before, failures, failed_before, id, lifetime = unpack(ARGV, i, i + 6)
    local own = indexes(job)
    if id ~= '' then live_everywhere(id, own, tonumber(lifetime)) end
    local went = make_room(own, tonumber(keep), before, tonumber(failures), failed_before, math.min(each, left))
    clear_job(job, own)
    gone, left = gone + went, left - went
    if left <= 0 then break end
end
return gone
"""
)

DROP = (
    _SHARED
    + """
-- ARGV: 2 job, 3... run ids. Returns how many of them were there.
local job, own, gone = ARGV[2], indexes(ARGV[2]), 0
for i = 3, #ARGV do gone = gone + forget(ARGV[i], own) end
clear_job(job, own)
return gone
"""
)
