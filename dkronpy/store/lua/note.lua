-- What is to be said of an attempt after its end, put behind its message; the outcome stays as it is. A replay is harmless.
-- ARGV: execution, token, note. Returns 1, or 0 where a later attempt has begun or the record is gone.
local id, token, note = ARGV[3], ARGV[4], ARGV[5]
local key = P .. 'exec:' .. id
local e = redis.call('HMGET', key, 'token', 'attempt')
if e[1] ~= token then return 0 end

for _, field in ipairs({ 'message', 'a' .. e[2] .. '.message' }) do
  local said = redis.call('HGET', key, field) or ''
  if not string.find(said, note, 1, true) then
    redis.call('HSET', key, field, said == '' and note or said .. '; ' .. note)
  end
end
return 1
