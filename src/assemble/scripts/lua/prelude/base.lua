-- The Lua that rpm's scriptlets find: the standard libraries without the host, and rpm's own over the tree.
--
-- Everything that leaves Lua goes through `call`, whose answers are kept for a second run after a fork. Nothing here
-- depends on chance (the order of keys, the addresses of tables), nothing runs without end inside the C library, and
-- neither `pcall` nor anything else holds what ends a run.

local call, find, spend, is_over, source, name, arguments = ...

local error, getmetatable, ipairs, load, next, pcall = error, getmetatable, ipairs, load, next, pcall
local rawget, select, setmetatable, tonumber, tostring, type = rawget, select, setmetatable, tonumber, tostring, type
local concat, insert, pack, remove, sort, unpack = table.concat, table.insert, table.pack, table.remove, table.sort, table.unpack
local format, gsub, rep, sub = string.format, string.gsub, string.rep, string.sub
local globals = _G

-- What a function of ours says: the values, or an error where the function was called that returns this.
local function answer(fine, ...)
  if fine then
    return ...
  end
  error((...), 2)
end

-- The same for a function that does more with the values.
local function values_of(fine, ...)
  if fine then
    return ...
  end
  error((...), 3)
end

-- Ends the run: nothing of that name is known here.
local function unknown(what)
  return answer(call("unknown", what))
end

local function library(of, names)
  local functions = {}
  for word in names:gmatch("%S+") do
    local whole = of .. "." .. word
    functions[word] = function(...)
      return answer(call(whole, ...))
    end
  end
  return functions
end

-- Asking for what is not there ends the run too.
local function closed(of, functions)
  return setmetatable(functions, {
    __index = function(_, key)
      return unknown(of .. "." .. tostring(key))
    end,
  })
end

local function wrong(function_name, number, wanted, value, none, level)
  local got = none or type(value)
  error(format("bad argument #%d to '%s' (%s expected, got %s)", number, function_name, wanted, got), level or 3)
end

-- Texts of tables and functions: numbered in the order in which somebody asks.

local numbers, last = setmetatable({}, {__mode = "k"}), 0
local handles = setmetatable({}, {__mode = "k"})

local function show(value)
  local kind = type(value)
  if kind ~= "table" and kind ~= "function" and kind ~= "userdata" and kind ~= "thread" then
    return tostring(value)
  end
  local meta = getmetatable(value)
  meta = type(meta) == "table" and meta or {}
  if rawget(meta, "__tostring") ~= nil then
    return tostring(value)
  end
  if not numbers[value] then
    last = last + 1
    numbers[value] = last
  end
  local own = rawget(meta, "__name")
  return format("%s: 0x%012x", type(own) == "string" and own or kind, numbers[value])
end

function globals.tostring(...)
  if select("#", ...) == 0 then
    wrong("tostring", 1, "value", nil, "no value")
  end
  return show((...))
end

function globals.type(...)
  if select("#", ...) == 0 then
    wrong("type", 1, "value", nil, "no value")
  end
  return handles[...] ~= nil and "userdata" or type((...))
end

function globals.print(...)
  local words = pack(...)
  for at = 1, words.n do
    words[at] = show(words[at])
  end
  return answer(call("io.print", concat(words, "\t", 1, words.n) .. "\n"))
end

-- Keys in an order that does not depend on addresses: numbers, texts, booleans.

local ranks = {number = 1, string = 2, boolean = 3}

local function before(one, other)
  local rank, other_rank = ranks[type(one)], ranks[type(other)]
  if rank ~= other_rank then
    return rank < other_rank
  end
  if rank == 3 then
    return other and not one
  end
  return one < other
end

local function keys(of)
  local list, count, others, sorted = {}, 0, 0, true
  for key in next, of do
    if not ranks[type(key)] then
      others = others + 1
    else
      count = count + 1
      list[count] = key
      sorted = sorted and (count == 1 or before(list[count - 1], key))
    end
  end
  if others > 0 and count + others > 1 then
    unknown("the order of keys that are tables or functions")
  end
  if others > 0 then
    return {(next(of))}
  end
  if not sorted then
    sort(list, before)
  end
  return list
end

function globals.next(of, key)
  if type(of) ~= "table" then
    wrong("next", 1, "table", of)
  end
  for _, other in ipairs(keys(of)) do
    if key == nil or ranks[type(key)] and before(key, other) then
      return other, rawget(of, other)
    end
  end
  return nil
end

function globals.pairs(of)
  local meta = getmetatable(of)
  local own = type(meta) == "table" and rawget(meta, "__pairs")
  if own then
    local step, state, start = own(of)
    return step, state, start
  end
  if type(of) ~= "table" then
    wrong("for iterator", 1, "table", of)
  end
  local list, at = keys(of), 0
  return function()
    while true do
      at = at + 1
      local key = list[at]
      if key == nil then
        return nil
      end
      local value = rawget(of, key)
      if value ~= nil then
        return key, value
      end
    end
  end, of, nil
end

-- Protected calls hold errors, but not the end of the run.

local function protected(fine, ...)
  if fine then
    return true, ...
  end
  if is_over((...)) then
    error("over", 0)
  end
  return false, ...
end

function globals.pcall(...)
  if select("#", ...) == 0 then
    wrong("pcall", 1, "value", nil, "no value")
  end
  return protected(pcall(...))
end

function globals.xpcall(run, handle, ...)
  local results = pack(protected(pcall(run, ...)))
  if results[1] then
    return unpack(results, 1, results.n)
  end
  return false, handle(results[2])
end

function globals.setmetatable(...)
  local _, meta = ...
  -- Finalizers run when they like, and cannot be stopped.
  if type(meta) == "table" and rawget(meta, "__gc") ~= nil then
    unknown("setmetatable with __gc")
  end
  return setmetatable(...)
end

function globals.collectgarbage(what)
  if what == "count" then
    unknown("collectgarbage(\"count\")")
  end
  return 0
end

-- Chunks are texts: what is compiled could do anything.

function globals.load(chunk, chunk_name, _, ...)
  if type(chunk) == "function" then
    local pieces = {}
    while true do
      local piece = chunk()
      if piece == nil or piece == "" then
        break
      end
      pieces[#pieces + 1] = piece
    end
    chunk = concat(pieces)
  end
  return load(chunk, chunk_name or chunk, "t", ...)
end

globals.loadstring = globals.load

local function read_file(path)
  local file, message = globals.io.open(path)
  if not file then
    return nil, "cannot open " .. message
  end
  local text = file:read("a")
  file:close()
  return gsub(text, "^#[^\n]*", "", 1)
end

function globals.loadfile(path, _, ...)
  local text, message = read_file(path)
  if not text then
    return nil, message
  end
  return load(text, "@" .. path, "t", ...)
end

function globals.dofile(path)
  local chunk, message = globals.loadfile(path)
  if not chunk then
    error(message, 0)
  end
  return chunk()
end

-- Tables

local function plain(of)
  local meta = type(of) == "table" and getmetatable(of)
  if meta and (type(meta) ~= "table" or rawget(meta, "__len") ~= nil) then
    unknown("the length of a table that computes it")
  end
  return type(of) == "table" and #of or 0
end

function table.insert(of, ...)
  spend(plain(of))
  return insert(of, ...)
end

function table.remove(of, ...)
  spend(plain(of))
  return remove(of, ...)
end

function table.unpack(of, first, past)
  local count = (past or plain(of)) - (first or 1)
  spend(count)
  return unpack(of, first, past)
end

function table.move(from, first, past, at, to)
  to = to or from
  local step = first < at and -1 or 1
  for offset = step > 0 and 0 or past - first, step > 0 and past - first or 0, step do
    to[at + offset] = from[first + offset]
  end
  return to
end

-- A merge sort: the C library's takes a pivot by the clock where it does badly.
local function merge_sort(list, buffer, first, past, less)
  if past - first < 1 then
    return
  end
  local middle = (first + past) // 2
  merge_sort(list, buffer, first, middle, less)
  merge_sort(list, buffer, middle + 1, past, less)
  local left, right, at = first, middle + 1, first
  while left <= middle or right <= past do
    if right > past or left <= middle and not less(list[right], list[left]) then
      buffer[at], left = list[left], left + 1
    else
      buffer[at], right = list[right], right + 1
    end
    at = at + 1
  end
  for index = first, past do
    list[index] = buffer[index]
  end
end

function table.sort(of, less)
  if type(of) ~= "table" then
    wrong("sort", 1, "table", of)
  end
  merge_sort(of, {}, 1, plain(of), less or function(one, other)
    return one < other
  end)
end

-- As the Lua of el7 has them.
globals.unpack = table.unpack
table.getn = plain
