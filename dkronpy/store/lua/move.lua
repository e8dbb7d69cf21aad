-- Move jobs to the shards that they belong to, after their number has changed. What is at its place already stays as it
-- is there; entries of the user's own tasks stay where RedBeat keeps them.
-- ARGV: the shard they stand in, then for each: job, hash of its name. Returns {now, how many were moved}.
local from = schedule_in(tonumber(ARGV[3]))
local now = now_ms()
local moved = 0
for i = 4, #ARGV, 2 do
  local entry, to = R .. ARGV[i], schedule_of(ARGV[i + 1])
  local score = to ~= from and redis.call('ZSCORE', from, entry)
  if score and redis.call('HEXISTS', entry, 'job') == 1 then
    redis.call('ZADD', to, 'NX', score, entry)
    redis.call('ZREM', from, entry)
    moved = moved + 1
  end
end
if moved > 0 then redis.call('PUBLISH', P .. 'wake', 'moved') end
return { now, moved }
