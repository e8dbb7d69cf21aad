"""What the Redis results backend does in one step on the server: save records of a run, tell what is there, make room,
drop runs.

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

-- The state that the record of a run says; nothing where only executions of it are kept. A quote inside of a text has a
-- backslash before it, so that no message can look like this.
local function state_of(id)
    local record = redis.call('HGET', run_key(id), 'run')
    return record and string.match(record, '"state":"([a-z_]+)"')
end

-- Returns how many runs went: 1, or 0 where there was none any more.
local function forget(id, own)
    local state = state_of(id)
    local there = state and 1 or redis.call('EXISTS', run_key(id))
    redis.call('UNLINK', run_key(id), output_key(id))
    for _, index in pairs(own) do redis.call('ZREM', index, id) end
    redis.call('ZREM', RUNS, id)
    redis.call('ZREM', AGED, id)
    for _, one in ipairs(state and { state } or STATES) do redis.call('ZREM', state_key(one), id) end
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
-- ARGV: 2 lifetime in ms, then of each run: its id, its job, how many executions; of each of these: field, record,
-- age, output, '-' where there is none, or '' to leave that alone; then '1' and record,
-- age, due time, last due time of a range or 0, state where the run is saved as well, else '0'.
-- Returns how many of the records were kept.
local lifetime, place = tonumber(ARGV[2]), 3
local saved, added, latest = 0, 0, 0
local gathered = {}  -- by index, as arguments of ZADD: one command for the members of all runs
local jobs = {}      -- by name: its indexes, and how many of its runs were saved

local function take(n)
    place = place + n
    return unpack(ARGV, place - n, place - 1)
end

local function gather(index, score, member)
    local members = gathered[index] or {}
    gathered[index] = members
    members[#members + 1] = score
    members[#members + 1] = member
end

local function add_gathered()
    for index, members in pairs(gathered) do
        local new = redis.call('ZADD', index, unpack(members))
        if index == AGED then added = added + new end
        live_index(index, lifetime)
    end
    gathered = {}
end

local function read_item()
    local id, job, executions = take(3)
    local item = { id = id, job = job, key = run_key(id), executions = {} }
    for n = 1, executions do
        local field, record, age, output = take(4)
        item.executions[n] = { field = field, record = record, output = output }
        item.age = item.age or age
    end
    if take(1) == '1' then
        local record, age, due, last_due, state = take(5)
        item.run = { field = 'run', record = record, due = due, last_due = last_due, state = state }
        item.age = age
    end
    return item
end

-- Saves what is not behind what is kept; each record then says whether it was, and what was there before.
local function put(item)
    local records, names, fields = {}, {}, { 'job', item.job }
    for n, one in ipairs(item.executions) do records[n] = one end
    records[#records + 1] = item.run
    for n, one in ipairs(records) do names[n] = one.field end
    for n, kept in ipairs(redis.call('HMGET', item.key, unpack(names))) do
        local one = records[n]
        one.before = kept
        item.known = item.known or kept
        one.done = not kept or string.byte(kept) <= string.byte(one.record)
        if one.done then
            fields[#fields + 1] = one.field
            fields[#fields + 1] = one.record
        end
    end
    if #fields > 2 then redis.call('HSET', item.key, unpack(fields)) end
    return (#fields - 2) / 2
end

local function put_output(item, one)
    if one.output == '-' then
        if one.before then redis.call('HDEL', output_key(item.id), one.field) end
    elseif one.output ~= '' then
        redis.call('HSET', output_key(item.id), one.field, one.output)
        item.has_output = true
    end
end

-- Executions whose run was never saved are found by age, to be forgotten.
local function index_executions(item, own)
    added = added + redis.call('ZADD', AGED, 'NX', item.age, item.id)
    if not redis.call('ZSCORE', own.failed, item.id) then redis.call('ZADD', own.aged, 'NX', item.age, item.id) end
    live_everywhere(item.id, own, lifetime)
end

local function index_run(item, own)
    local id, run = item.id, item.run
    if run.before then
        add_gathered()  -- the same run may be among them
        for _, other in ipairs(STATES) do redis.call('ZREM', state_key(other), id) end
        redis.call('ZREM', own.ranges, id)
        redis.call('ZREM', own.failed, id)
    end
    for index, score in pairs({ [RUNS] = run.due, [own.job] = run.due, [own.aged] = item.age, [AGED] = item.age,
                                [state_key(run.state)] = run.due }) do
        gather(index, score, id)
    end
    if run.last_due ~= '0' then gather(own.ranges, run.last_due, id) end
    if item.known then
        live(item.key, lifetime)
        live(output_key(id), lifetime)
    else
        redis.call('PEXPIRE', item.key, lifetime)
        if item.has_output then redis.call('PEXPIRE', output_key(id), lifetime) end
    end
end

local function save(item)
    local job = jobs[item.job] or { own = indexes(item.job), runs = 0 }
    local new = put(item)
    for _, one in ipairs(item.executions) do
        if one.done then put_output(item, one) end
    end
    if item.run and item.run.done then
        index_run(item, job.own)
    elseif item.run then
        live_everywhere(item.id, job.own, lifetime)
    elseif new > 0 then
        index_executions(item, job.own)
    end
    if new == 0 then return end
    gather(JOBS, item.age, item.job)
    saved, latest = saved + new, math.max(latest, tonumber(item.age))
    jobs[item.job], job.runs = job, job.runs + 1
end

while place <= #ARGV do save(read_item()) end
add_gathered()

-- Each save adds at most one member to an index and takes up to two that have expired: no index outgrows its runs.
-- Nothing expires before its lifetime is over.
local function outlived(index, runs)
    local found = {}
    local old = redis.call('ZRANGE', index, 0, 2 * runs - 1, 'WITHSCORES')
    for i = 1, #old, 2 do
        if tonumber(old[i + 1]) < latest - lifetime then found[#found + 1] = old[i] end
    end
    return found
end
local function forget_outlived(index, runs)
    for _, id in ipairs(outlived(index, runs)) do
        if not is_there(id) then forget(id, indexes(string.match(id, '^[^@]*'))) end
    end
end
if added > 0 then
    forget_outlived(AGED, saved)
    for _, job in pairs(jobs) do forget_outlived(job.own.aged, job.runs) end
    for _, name in ipairs(outlived(JOBS, saved)) do clear_job(name, indexes(name)) end
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
    local state = state_of(id)
    for _, one in ipairs(FAILING) do
        if state == one then return true end
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

FILED = (
    _SHARED
    + """
-- ARGV: 2... run ids. Returns of each {its record or false, the fields of its executions that are kept...}.
local found = {}
for i = 2, #ARGV do
    local key = run_key(ARGV[i])
    local row = { redis.call('HGET', key, 'run') }
    for _, field in ipairs(redis.call('HKEYS', key)) do
        if string.sub(field, 1, 10) == 'execution:' then row[#row + 1] = field end
    end
    found[#found + 1] = row
end
return found
"""
)
