"""The guards of the ledger's steps, each with the edit that takes it out; the model has to notice every one."""

from __future__ import annotations

from tests.model.steps import Edit

_NO_EPOCH = Edit("fire", "redis.call('HGET', leader, 'epoch') ~= epoch", "false")
_NO_COMPARE = Edit("fire", "if stands[entry] ~= tonumber(expected) then return 0 end", "")

CAUGHT: dict[str, tuple[Edit, ...]] = {
    "claim without looking at the state": (
        Edit("claim", "if e.state ~= 'queued' then return { 'is ' .. e.state, now } end", ""),
    ),
    "claim by a node that it is not meant for": (Edit("claim", "if e.node ~= node then", "if false then"),),
    "claim without a new token": (Edit("claim", "'token') or 0) + 1, now)", "'token') or 0), now)"),),
    "claim of whatever definition is there": (Edit("claim", "if definition[1] ~= revision then", "if false then"),),
    "finish by whatever token": (Edit("finish", "if e[7] ~= token then", "if false then"),),
    "finish that counts a replay again": (
        Edit("finish", "if was ~= 'lost' and was ~= 'running' then", "if false then"),
    ),
    "finish that retries what was cancelled or has no attempts left": (
        Edit("finish", "and tonumber(number) < tonumber(most) and cancel ~= '1'", ""),
        Edit("gate", "redis.call('HSET', key, 'cancel', 1,", "redis.call('HSET', key,"),
    ),
    "fire without epoch and without compare-and-set": (_NO_EPOCH, _NO_COMPARE),
    "fire under a definition that has changed": (
        Edit("fire", "if redis.call('HGET', entry, 'rev') ~= item[2] then", "if false then"),
    ),
    "fire beside a run that is still active": (Edit("fire", "redis.call('SCARD', active) > 0", "false"),),
    "fire that lets a run in beside one that has to end first": (
        Edit("gate", "#inside >= g.max or others_first", "others_first"),
    ),
    "fire that lets as many wait as there are": (
        Edit("gate", "elseif g.most and #waiting >= g.most then", "elseif false then"),
    ),
    "fire that fills a pool over its size": (Edit("gate", "used + pool[2] > size or others_first", "others_first"),),
    "fire that does not count starts": (
        Edit("gate", "local full = redis.call('ZCARD', key) >= g.rate", "local full = false"),
    ),
    "fire that forgets what a run takes": (
        Edit("gate", "redis.call('HSET', P .. 'pool:' .. pool[1], run, int(pool[2]))", "local _ = pool"),
    ),
    "a run that keeps its slots when it has ended": (
        Edit("gate", "redis.call('HDEL', P .. 'pool:' .. pool[1], run)", "local _ = pool"),
    ),
    "a run that stays in the queue when it has ended": (
        Edit("gate", "if waits then redis.call('ZREM', queue_of(waits), run) end", ""),
    ),
    "a run that is let in and stays in the queue": (
        Edit("gate", "if refused ~= gate then redis.call('ZREM', queue, run) end", ""),
    ),
    "fire that forgets the next due time": (Edit("fire", "if following == '' then", "if true then"),),
    "fire of a run that is there already": (
        Edit("fire", "if exists(id) then return false end", ""),
        _NO_COMPARE,
        _NO_EPOCH,
    ),
    "reap that starts an at-most-once execution again": (
        Edit("reap", "if e[6] == 'at_least_once' and left", "if left"),
    ),
    "reap that gives a spent execution one more attempt": (
        Edit("reap", "and left and e[8] ~= '1' then", "and e[8] ~= '1' then"),
    ),
    "reap that does not close what is lost": (
        Edit("reap", "  close(id, 'lost',", "  local _ = (id .. 'lost') or (function(...) end)("),
    ),
    "reap before the lease has run out": (
        Edit("reap", "'-inf', int(now), 'LIMIT'", "'-inf', int(now + 30000), 'LIMIT'"),
    ),
    "reap that closes without a reason": (
        Edit("reap", "local reason = e[4] == '' and 'no_live_node' or 'not_started_in_deadline'", "local reason = ''"),
    ),
    "an execution that may wait for longer than its run may take": (
        Edit("record", "end_by and math.min(now + window, tonumber(end_by)) or now + window", "now + window"),
    ),
    "renew by whatever token": (
        Edit("renew", "if e[1] == 'running' and e[2] == ARGV[i + 1] then", "if e[1] then"),
        Edit("renew", "'XX', ", ""),
    ),
    "resend without looking whether it has moved on": (
        Edit("resend", "if e[1] == 'queued' and e[2] == delivery then", "if e[1] then"),
    ),
    "resend of what runs already": (Edit("resend", "if e[1] == 'queued' and", "if"),),
    "a broadcast that is widened twice": (
        Edit("widen", "e[1] ~= 'queued' or e[2] ~= delivery or e[3] ~= ''", "false"),
    ),
    "a broadcast that is widened and does not count": (
        Edit("widen", "redis.call('HSET', P .. 'run:' .. run, 'size', count, 'open', count)", ""),
    ),
    "a broadcast that is widened beyond what is active": (
        Edit("widen", "redis.call('SADD', P .. 'job:' .. job_of(id) .. ':active', one)", ""),
    ),
    "cancel that calls a lost attempt failed": (
        Edit("record", "return last[1] == 'lost' and 'lost' or 'failed',", "return 'failed',"),
    ),
    "close that leaves the execution active": (
        Edit("record", "redis.call('SREM', P .. 'job:' .. job .. ':active', id)", ""),
    ),
    "close that does not take back what it counted as lost": (
        Edit("record", "by.lost, run.n.lost = -1,", "run.n.lost ="),
    ),
    "close that never lets a record expire": (Edit("record", "redis.call('PEXPIRE', key, kept)", ""),),
    "runs of a deleted job that count for its successor": (
        Edit("record", "if not since or run.revision < tonumber(since) then", "if false then"),
    ),
    "save that forgets what was in force": (
        Edit("save", "redis.call('LPUSH', history,", "local _ = (history and function(...) end)("),
    ),
    "save that lets the history grow": (Edit("save", "redis.call('LTRIM', history, 0, kept - 1)", ""),),
    "delete that forgets the history": (
        Edit(
            "delete",
            "redis.call('LPUSH', history, cmsgpack.pack({ old[1], old[3]",
            "local _ = (history and function(...) end)(cmsgpack.pack({ old[1], old[3]",
        ),
    ),
    "delete that forgets the revision": (
        Edit("delete", "redis.call('HSET', P .. 'job:', 'revision', math.max(highest, tonumber(old[1])))", ""),
    ),
    "rename while runs are open that may have no others beside them": (
        Edit("delete", "redis.call('SCARD', state .. ':active') > 0", "false"),
    ),
    "rename that forgets what was counted": (Edit("delete", "write('HSET', to, redis.call('HGETALL', state))", ""),),
    "rename that forgets what it was": (
        Edit("delete", "write('RPUSH', to .. ':history',", "local _ = (to and function(...) end)("),
    ),
    "rename that forgets the phase": (
        Edit("delete", "redis.call('HGET', entry, 'anchor') or int(now)", "int(now + 1000)"),
    ),
    "save that drops an owed due time": (
        Edit("save", "local owed = due and tonumber(due) * 1000 <= now", "local owed = false"),
    ),
    "save that forgets who owes what waits": (
        Edit("save", "if rescheduled and owed and old[1] then", "if false then"),
    ),
    "save that leaves the schedule as it was": (
        Edit(
            "save", "if score ~= '' and (not due or rescheduled and not owed) then", "if score ~= '' and not due then"
        ),
    ),
    "attend that forgets nobody": (Edit("attend", "redis.call('ZREMRANGEBYSCORE', key, '-inf', int(now - ttl))", ""),),
    "attend that forgets who is there": (
        Edit(
            "attend",
            "redis.call('ZREMRANGEBYSCORE', key, '-inf', int(now - ttl))",
            "redis.call('ZREMRANGEBYSCORE', key, '-inf', int(now - 1))",
        ),
    ),
    "leave that is not heard": (Edit("attend", "redis.call('ZREM', key, holder)", ""),),
    "move that leaves a job where it was": (Edit("move", "redis.call('ZREM', from, entry)", ""),),
    "move that forgets when it is due": (Edit("move", "redis.call('ZADD', to, 'NX', score, entry)", ""),),
    "move of what stands where it belongs": (
        Edit("move", "local score = to ~= from and redis.call", "local score = redis.call"),
    ),
    "save that does not look where the job stands": (
        Edit("save", "place_of(entry, ARGV[20])", "schedule_of(ARGV[20])"),
    ),
    "delete that does not look where the job stands": (
        Edit("delete", "place_of(entry, ARGV[10])", "schedule_of(ARGV[10])"),
    ),
    "farewell to a run that has changed since": (
        Edit("let_go", "if (r[1] or '') == state and tonumber(r[2] or 0) == finished then", "if true then"),
    ),
    "farewell that never ends": (Edit("let_go", "write('ZREM', P .. 'done', gone)", ""),),
    "close that tells nobody": (Edit("record", "redis.call('ZADD', P .. 'done', int(now), run_id)", ""),),
    "pause that is not written": (Edit("pause", "redis.call('HSET', key, id, body)", ""),),
    "lead with the epoch that was": (
        Edit("lead", "redis.call('INCR', P .. 'epoch')", "redis.call('DECR', P .. 'epoch')"),
    ),
}
"""What must be caught."""

HARMLESS: dict[str, tuple[Edit, ...]] = {
    "fire without epoch": (_NO_EPOCH,),
    "fire without compare-and-set": (_NO_COMPARE,),
    "move over what stands at its place already": (
        Edit("move", "redis.call('ZADD', to, 'NX', score, entry)", "redis.call('ZADD', to, score, entry)"),
    ),
}
"""Guards that stand in for one another: without one of them nothing breaks, without both it does."""
