-- What a script sees in place of Redis's own "redis": a table whose call and
-- pcall touch no key but those that the script was given. It goes in front of
-- the script on the same line, so that the lines of its errors stay right.
-- Locals shadow whatever leads to the real one. The semicolon ends the statement:
-- a script that begins with ", redis" would go on with it.
local redis, server, _G, load, loadstring = (function(real, given)
  local tostring, tonumber, error, pcall, lower = tostring, tonumber, error, pcall, string.lower
  local specs = {%SPECS%}
  local mine = {}
  for i = 1, #given do mine[given[i]] = true end
  local function key(name, args, at)
    if not mine[tostring(args[at])] then
      error("PARTYWALL script: argument " .. at .. " of " .. name .. " is none of its KEYS", 0)
    end
  end
  local function check(args)
    local name = lower(tostring(args[1]))
    local spec = specs[name]
    if not spec then
      error("PARTYWALL script: " .. name .. " may not be called", 0)
    end
    local count = #args - 1
    for i = 1, #spec, 5 do
      local counted, begin, last, step = spec[i], spec[i + 1], spec[i + 2], spec[i + 3]
      if counted then
        local n = tonumber(args[1 + begin + last]) or error("PARTYWALL script: " .. name .. " needs a number of keys", 0)
        begin = begin + spec[i + 4]
        last = begin + (n - 1) * step
      elseif last < 0 then
        last = count + 1 + last
      else
        last = begin + last
      end
      for at = begin, last, step do key(name, args, at + 1) end
    end
  end
  local box = {}
  for name, value in pairs(real) do box[name] = value end
  box.call = function(...) check({...}) return real.call(...) end
  box.pcall = function(...)
    local ok, err = pcall(check, {...})
    if not ok then return {err = err} end
    return real.pcall(...)
  end
  return box, box, nil, nil, nil
end)(redis, KEYS);
