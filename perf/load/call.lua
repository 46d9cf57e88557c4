-- Load for wrk: one POST after the other out of a pool of whole requests, made beforehand. The pool
-- file holds one request a line: header fields parted by tabs, a byte 1, the body. At the end one line
-- of JSON goes to stdout.
local pool = {}
local count = 0
local at = 0

function init(args)
  local path = args[1]
  for line in io.lines(path) do
    local headers = { ["Content-Type"] = "application/json" }
    local split = string.find(line, "\1", 1, true)
    for field in string.gmatch(string.sub(line, 1, split - 1), "[^\t]+") do
      local colon = string.find(field, ": ", 1, true)
      headers[string.sub(field, 1, colon - 1)] = string.sub(field, colon + 2)
    end
    count = count + 1
    pool[count] = wrk.format("POST", nil, headers, string.sub(line, split + 1))
  end
end

function request()
  at = at + 1
  if at > count then at = 1 end
  return pool[at]
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"durationUs":%d,"bytes":%d,"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d},' ..
    '"latencyUs":{"p50":%d,"p90":%d,"p99":%d,"p999":%d,"max":%d,"mean":%d}}\n',
    summary.requests, summary.duration, summary.bytes,
    e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency:percentile(99.9), latency.max, latency.mean))
end
