-- Announces for wrk, one peer after the other through all swarms in turn.
-- Arguments: SWARMS PEERS WANTED kept|closed INFO-HASHES (a file, one in hexadecimal a line)
-- On stdout, last: RESULT and a JSON object.

local requests = {}
local at = 0

local function escaped(hex)
  return (hex:gsub('..', '%%%0'))
end

function init(args)
  local swarms, peers, wanted = tonumber(args[1]), tonumber(args[2]), args[3]
  local close = args[4] == 'kept' and '' or 'Connection: close\r\n'
  local hashes = {}
  for hex in io.lines(args[5]) do hashes[#hashes + 1] = escaped(hex) end
  for index = 0, peers - 1 do
    local swarm, member = index % swarms, math.floor(index / swarms)
    local left = member % 10 == 0 and 0 or 1000
    requests[index + 1] = 'GET /announce?info_hash=' .. hashes[swarm + 1]
      .. '&peer_id=-BENCH0-' .. string.format('%012d', index)
      .. '&port=' .. (10000 + member)
      .. '&uploaded=0&downloaded=0&left=' .. left
      .. '&compact=1&numwant=' .. wanted
      .. ' HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept-Encoding: gzip\r\n'
      .. close .. '\r\n'
  end
  at = math.random(0, peers - 1)
end

function request()
  at = at + 1
  if at > #requests then at = 1 end
  return requests[at]
end

function done(summary, latency)
  -- Where a tracker closes without saying so, wrk counts each as an error of reading.
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"announces": %d, "seconds": %f, "p99Ms": %f, "errors": %d, "bytes": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(99) / 1e3,
    errors.status + errors.connect + errors.write + errors.timeout, summary.bytes))
end
