-- Cancel executions: what waits ends here; what runs is flagged, and its agent told at once and again at each renewal.
-- ARGV: who, record ttl in ms, then executions. Returns {now, a word each}: 'ended', 'told', or the state it was in already.
local who, ttl = ARGV[3], tonumber(ARGV[4])
local now = now_ms()
local words = {}
for i = 5, #ARGV do words[#words + 1] = cancel(ARGV[i], who, false, now, ttl) end
return { now, words }
