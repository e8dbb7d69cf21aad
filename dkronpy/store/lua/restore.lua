-- Prepare a name for a job that is brought back: the phase of its schedule, where that stands, and what it came to in its former life. The
-- save that follows finds them. A name that has a definition is left as it is.
-- ARGV: job, anchor in ms, RedBeat's meta or '', then fields and values of the job's state. Returns {1 | 0, now}.
local job, anchor, meta = ARGV[3], ARGV[4], ARGV[5]
local now = now_ms()
if redis.call('HEXISTS', R .. job, 'rev') == 1 then return { 0, now } end
redis.call('HSET', R .. job, 'anchor', anchor)
if meta ~= '' then redis.call('HSET', R .. job, 'meta', meta) end
if #ARGV > 5 then redis.call('HSET', P .. 'job:' .. job, unpack(ARGV, 6)) end
return { 1, now }
