-- Read the definitions of many jobs, where each stands, and what has happened to it; changes nothing.
-- One answer for many, since asking for the parts of each one costs more than the parts.
-- ARGV: '1' with what has happened, then for each job: its name, the hash of its name.
-- Returns for each: its entry's fields (definition first, false where there is none), its score, and with what has happened
-- counters, last moments, status and followers.
local with_state = ARGV[3] == '1'
local count = shards()
local found = {}
for i = 4, #ARGV, 2 do
  local job, entry = ARGV[i], R .. ARGV[i]
  local row = redis.pcall('HMGET', entry, 'job', 'rev', 'anchor', 'source', 'saved_ms', 'who', 'why', 'applied', 'wish')
  if row.err then row = { false, false, false, false, false, false, false, false, false } end  -- of another kind: no job
  row[10] = redis.call('ZSCORE', schedule_in(tonumber(ARGV[i + 1]) % count), entry)
  if with_state then
    local key = P .. 'job:' .. job
    local state = redis.call('HMGET', key, 'success_count', 'error_count', 'last_success_ms', 'last_error_ms', 'status')
    for n = 1, 5 do row[10 + n] = state[n] end
    row[16] = redis.call('SMEMBERS', key .. ':children')
  end
  found[#found + 1] = row
end
return found
