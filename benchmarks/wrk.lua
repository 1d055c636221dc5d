-- What wrk sends, by the name after `--`, and one line of JSON at the end.
--   wrk ... -s wrk.lua URL -- KIND [NUMBER]

local kinds = {}
local delayed = nil

function kinds.get() end

-- A JSON body small enough for one segment.
function kinds.echo()
  wrk.method = "POST"
  wrk.body = '{"name":"x","n":[1,2,3]}'
  wrk.headers["Content-Type"] = "application/json"
end

function kinds.upload(size)
  wrk.method = "POST"
  wrk.body = string.rep("x", tonumber(size or 1048576))
  wrk.headers["Content-Type"] = "application/octet-stream"
end

function kinds.close()
  wrk.headers["Connection"] = "close"
end

-- A paced load: each connection waits so many milliseconds before each request.
function kinds.paced(milliseconds)
  delayed = tonumber(milliseconds)
  delay = function() return delayed end
end

-- As many short header fields as asked for, Host included.
function kinds.fields(count)
  for n = 1, tonumber(count) - 1 do
    wrk.headers["X-Field-" .. n] = "value of field " .. n
  end
end

-- What Chromium sends.
function kinds.browser()
  local h = wrk.headers
  h["Connection"] = "keep-alive"
  h["sec-ch-ua"] = '"Chromium";v="130", "Not?A_Brand";v="99"'
  h["sec-ch-ua-mobile"] = "?0"
  h["sec-ch-ua-platform"] = '"Linux"'
  h["Upgrade-Insecure-Requests"] = "1"
  h["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
  h["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
  h["Sec-Fetch-Site"] = "none"
  h["Sec-Fetch-Mode"] = "navigate"
  h["Sec-Fetch-User"] = "?1"
  h["Sec-Fetch-Dest"] = "document"
  h["Accept-Encoding"] = "gzip, deflate, br, zstd"
  h["Accept-Language"] = "en-US,en;q=0.9"
  h["Cookie"] = "session=abcdef0123456789; theme=dark"
end

-- What a page of another origin sends with fetch().
function kinds.page()
  wrk.headers["Origin"] = "https://page.example"
  wrk.headers["Accept"] = "*/*"
  wrk.headers["Accept-Encoding"] = "gzip, deflate, br, zstd"
  wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64)"
end

-- Requests that were made beforehand, so that one costs wrk no formatting, in turn.
local function turning(ready)
  local n, count = 0, #ready
  request = function()
    n = n % count + 1
    return ready[n]
  end
end

-- The path and one header differ in each.
local function changing(setup)
  setup()
  local ready = {}
  for i = 1, 8192 do
    wrk.headers["X-Request-Id"] = string.format("%08x-%04x", i * 2654435 % 4294967296, i)
    local path = string.gsub(wrk.path, "42$", tostring(i))
    ready[i] = wrk.format(nil, path)
  end
  turning(ready)
end

function kinds.changing() changing(kinds.get) end
function kinds.browserchanging() changing(kinds.browser) end

-- What a proxy sends on a connection of its pool: the heads of eight clients, in turn.
function kinds.proxied()
  kinds.browser()
  local ready = {}
  for i = 1, 8192 do
    local client, h = i % 8, wrk.headers
    h["X-Forwarded-For"] = "192.0.2." .. 10 + client
    h["X-Forwarded-Proto"] = "https"
    h["User-Agent"] = "Mozilla/5.0 (Client " .. client .. ") AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
    h["Accept-Language"] = ({ "en-US,en;q=0.9", "de,en;q=0.7", "fr-FR", "pt-BR,pt;q=0.9", "ja", "es", "it,en", "nl" })[client + 1]
    h["Cookie"] = string.format("session=%08x%08x; theme=%s", client * 7919, client * 104729, client % 2 == 0 and "dark" or "light")
    ready[i] = wrk.format(nil, string.gsub(wrk.path, "42$", tostring(i)))
  end
  turning(ready)
end

-- For a typed handler: path, query and body differ in each request.
function kinds.typed()
  wrk.method = "PUT"
  wrk.headers["Content-Type"] = "application/json"
  local ready = {}
  for i = 1, 8192 do
    local active = i % 2 == 0 and "true" or "false"
    local path = string.format("/typed/%d?page=%d&size=%d&verbose=%s", i, i % 40, 10 + i % 50, active)
    local nickname = i % 3 == 0 and "null" or string.format('"nick %d"', i)
    ready[i] = wrk.format(nil, path, nil, string.format(
      '{"name":"user %d","email":"user%d@example.org","age":%d,"score":%.2f,"is_active":%s,"nickname":%s,"tags":["tag %d","tag %d"],"visits":%d}',
      i, i, 18 + i % 60, i / 7, active, nickname, i % 9, i % 11, i * 37))
  end
  turning(ready)
end

-- wrk's own Host and so on, so many requests in one write.
function kinds.pipelined(depth)
  local one = wrk.format()
  local all = string.rep(one, tonumber(depth))
  request = function() return all end
end

function init(args)
  if not wrk.headers["Host"] then
    wrk.headers["Host"] = wrk.host .. ":" .. wrk.port
  end
  kinds[args[1] or "get"](args[2])
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\nJSON {"requests": %d, "seconds": %.6f, "bytes": %d, "refused": %d, "broken": %d, "status": %d, "late": %d, "p50": %.1f, "p90": %.1f, "p99": %.1f, "p999": %.1f, "worst": %.1f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, e.connect, e.read + e.write,
    e.status, e.timeout, latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency:percentile(99.9), latency.max))
end
