-- What beat has to know of entries, anybody's among them; changes nothing.
-- ARGV: the keys of the entries. Returns for each: revision, definition, anchor, who owes what (false where that is not there),
-- or the error where it is no hash.
local rows = {}
for i = 3, #ARGV do rows[i - 2] = redis.pcall('HMGET', ARGV[i], 'rev', 'job', 'anchor', 'owed') end
return rows
