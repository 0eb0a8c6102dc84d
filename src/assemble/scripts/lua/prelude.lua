-- The Lua that rpm's scriptlets find: the standard libraries without the host, and rpm's own over the tree.
--
-- Everything that leaves Lua goes through `call`, whose answers are kept for a second run after a fork. Nothing here
-- depends on chance (the order of keys, the addresses of tables), nothing runs without end inside the C library, and
-- neither `pcall` nor anything else holds what ends a run.

local call, find, spend, is_over, source, name, arguments = ...

local assert, error, getmetatable, ipairs, load, next, pcall = assert, error, getmetatable, ipairs, load, next, pcall
local rawget, rawset, select, setmetatable, tonumber, tostring, type = rawget, rawset, select, setmetatable, tonumber, tostring, type
local concat, insert, pack, remove, sort, unpack = table.concat, table.insert, table.pack, table.remove, table.sort, table.unpack
local format, gsub, match, rep, sub = string.format, string.gsub, string.match, string.rep, string.sub
local integral = math.type
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

-- Texts: patterns are matched outside, where their steps are counted.

local function text_of(value, function_name, number)
  if type(value) ~= "string" and type(value) ~= "number" then
    wrong(function_name, number, "string", value, nil, 4)
  end
  return tostring(value)
end

local function searcher(function_name)
  return function(text, pattern, ...)
    text, pattern = text_of(text, function_name, 1), text_of(pattern, function_name, 2)
    return answer(find(function_name, text, pattern, ...))
  end
end

string.find, string.match = searcher("find"), searcher("match")

function string.gmatch(text, pattern, from)
  text, pattern = text_of(text, "gmatch", 1), text_of(pattern, "gmatch", 2)
  local at, not_end = from or 1, nil
  local function step(past, ...)
    at, not_end = past, past
    return ...
  end
  return function()
    if at then
      return step(values_of(find("next", text, pattern, at, not_end)))
    end
  end
end

local function replacement(of, whole, ...)
  local value
  if type(of) == "table" then
    value = of[(...)]
  else
    value = of(...)
  end
  if not value then
    return whole
  end
  if type(value) ~= "string" and type(value) ~= "number" then
    error("invalid replacement value (a " .. type(value) .. ")", 3)
  end
  return value
end

function string.gsub(text, pattern, by, most)
  text, pattern = text_of(text, "gsub", 1), text_of(pattern, "gsub", 2)
  local kind = type(by)
  if kind == "string" or kind == "number" then
    return answer(find("gsub", text, pattern, tostring(by), most))
  elseif kind ~= "table" and kind ~= "function" then
    wrong("gsub", 3, "string/function/table", by)
  end
  local pieces, copied, at, not_end, count = {}, 1, 1, nil, 0
  local function step(past, start, ...)
    if not past then
      return false
    end
    count = count + 1
    pieces[#pieces + 1] = sub(text, copied, start - 1)
    pieces[#pieces + 1] = replacement(by, sub(text, start, past - 1), ...)
    copied, at, not_end = past, past, past
    return sub(pattern, 1, 1) ~= "^"
  end
  while (not most or count < most) and step(values_of(find("place", text, pattern, at, not_end))) do
  end
  pieces[#pieces + 1] = sub(text, copied)
  return concat(pieces), count
end

function string.rep(text, count, between)
  text = text_of(text, "rep", 1)
  local times = tonumber(count)
  if times and times > 1 then
    spend(times)
  end
  return rep(text, count, between)
end

function string.format(pattern, ...)
  if type(pattern) == "string" and gsub(pattern, "%%%%", ""):find("%%[-0-9]*p") then
    unknown("string.format with %p")
  end
  local values = pack(...)
  for at = 1, values.n do
    local kind = type(values[at])
    if kind == "table" or kind == "function" then
      values[at] = show(values[at])
    end
  end
  return format(pattern, unpack(values, 1, values.n))
end

for _, legacy in ipairs({"dump", "gfind"}) do
  string[legacy] = function()
    unknown("string." .. legacy)
  end
end
for _, legacy in ipairs({"foreach", "foreachi", "maxn", "setn"}) do
  table[legacy] = function()
    unknown("table." .. legacy)
  end
end
function math.pow(one, other)
  return one ^ other
end
for _, legacy in ipairs({"random", "randomseed", "mod", "ldexp", "frexp", "cosh", "sinh", "tanh", "log10", "atan2"}) do
  math[legacy] = function()
    unknown("math." .. legacy)
  end
end

-- Files

-- What `close` gives for a program whose output was read.
local statuses = setmetatable({}, {__mode = "k"})
local methods = {}
local file_meta = {__name = "FILE*", __index = methods}

local function handle(id)
  local file = setmetatable({}, file_meta)
  handles[file] = id
  return file
end

function file_meta.__tostring(file)
  return handles[file] and format("file (0x%012x)", handles[file]) or "file (closed)"
end

function file_meta.__close(file)
  if handles[file] then
    methods.close(file)
  end
end

local function id_of(file, function_name)
  local id = handles[file]
  if id == nil then
    wrong(function_name, 1, "FILE*", file, nil, 4)
  elseif not id then
    error("attempt to use a closed file", 3)
  end
  return id
end

function methods.close(file)
  local id = id_of(file, "close")
  handles[file] = false
  local status = statuses[file]
  if status then
    call("io.close", id)
    return status == 0 or nil, "exit", status
  end
  return answer(call("io.close", id))
end

function methods.flush(file)
  id_of(file, "flush")
  return file
end

function methods.setvbuf(file)
  id_of(file, "setvbuf")
  return true
end

function methods.read(file, ...)
  return answer(call("io.read", id_of(file, "read"), ...))
end

function methods.seek(file, ...)
  return answer(call("io.seek", id_of(file, "seek"), ...))
end

local function written(file, fine, ...)
  if fine then
    return file
  end
  return fine, ...
end

local function write(file, ...)
  local texts = pack(...)
  for at = 1, texts.n do
    texts[at] = text_of(texts[at], "write", at)
  end
  return written(file, values_of(call("io.write", id_of(file, "write"), unpack(texts, 1, texts.n))))
end
methods.write = write

local function lines_of(file, closes, ...)
  local formats = pack(...)
  local function step(line, message, ...)
    if line == nil and message then
      error(message, 0)
    end
    if line == nil and closes then
      methods.close(file)
    end
    return line, message, ...
  end
  return function()
    if not handles[file] then
      error("file is already closed", 2)
    end
    return step(methods.read(file, unpack(formats, 1, formats.n)))
  end
end

function methods.lines(file, ...)
  id_of(file, "lines")
  return lines_of(file, false, ...)
end

local io = {stdin = handle(0), stdout = handle(1), stderr = handle(2)}
local input, output = io.stdin, io.stdout

local function opened(id, ...)
  if id then
    return handle(id)
  end
  return id, ...
end

function io.open(...)
  return opened(values_of(call("io.open", ...)))
end

function io.popen(...)
  local id, status = values_of(call("io.popen", ...))
  local file = handle(id)
  statuses[file] = status
  return file
end

local function open_or_fail(path, mode)
  local file, message = opened(values_of(call("io.open", path, mode)))
  if not file then
    error(message, 3)
  end
  return file
end

function io.lines(path, ...)
  if path == nil then
    return lines_of(input, false, ...)
  end
  local file = open_or_fail(path, "r")
  return lines_of(file, true, ...), nil, nil, file
end

function io.input(file)
  if file ~= nil then
    input = handles[file] == nil and open_or_fail(file, "r") or file
  end
  return input
end

function io.output(file)
  if file ~= nil then
    output = handles[file] == nil and open_or_fail(file, "w") or file
  end
  return output
end

function io.read(...)
  return methods.read(input, ...)
end

function io.write(...)
  return write(output, ...)
end

function io.close(file)
  return methods.close(file or output)
end

function io.flush()
  return output
end

function io.type(file)
  local id = handles[file]
  if id == nil then
    return nil
  end
  return id and "file" or "closed file"
end

globals.io = closed("io", io)

-- os, posix, rpm

local os = library("os", "date execute exit getenv remove rename setlocale time tmpname")
function os.difftime(one, other)
  return (one - (other or 0)) / 1
end
globals.os = closed("os", os)

local posix = library("posix", [[access chdir chmod chown ctermid dir errno exec fork getcwd getenv getgroup getlogin
  getpasswd getprocessid link mkdir mkfifo putenv readlink redirect2null rmdir setenv sleep stat symlink ttyname umask
  uname unlink unsetenv utime wait]])
posix.version = "posix library for Lua 5.4 / Nov 2003"

function posix.files(path)
  local names, message, number = posix.dir(path)
  if not names then
    return names, message, number
  end
  local at = 0
  return function()
    at = at + 1
    return names[at]
  end
end

globals.posix = closed("posix", posix)

local rpm = library("rpm", "b64decode b64encode define execute expand glob isdefined next_file redirect2null spawn undefine vercmp")

local version_meta = {__name = "rpm.ver"}

function rpm.ver(...)
  local e, v, r, shown = values_of(call("rpm.ver", ...))
  if v then
    return setmetatable({e = e, v = v, r = r, shown = shown}, version_meta)
  end
end

function version_meta.__tostring(version)
  return version.shown
end

function version_meta.__eq(one, other)
  return rpm.vercmp(one.shown, other.shown) == 0
end

function version_meta.__lt(one, other)
  return rpm.vercmp(one.shown, other.shown) < 0
end

function version_meta.__le(one, other)
  return rpm.vercmp(one.shown, other.shown) <= 0
end

globals.rpm = closed("rpm", rpm)

globals.macros = setmetatable({}, {
  __index = function(_, key)
    return rpm.expand("%{" .. tostring(key) .. "}")
  end,
  __newindex = function(_, key, value)
    if value == nil then
      return rpm.undefine(key)
    end
    return rpm.define(key .. " " .. value)
  end,
})

-- Modules

local loaded = {_G = globals, io = globals.io, math = math, os = globals.os, posix = globals.posix, rpm = globals.rpm,
  string = string, table = table, utf8 = utf8}

-- One of rpm's own directory in the tree.
function globals.require(module)
  if loaded[module] == nil then
    local path = "/usr/lib/rpm/lua/" .. gsub(text_of(module, "require", 1), "%.", "/") .. ".lua"
    local text = read_file(path)
    if not text then
      error("module '" .. module .. "' not found: no file '" .. path .. "'", 2)
    end
    local chunk, message = load(text, "@" .. path, "t")
    if not chunk then
      error(message, 0)
    end
    local value = chunk(module, path)
    if value ~= nil then
      loaded[module] = value
    elseif loaded[module] == nil then
      loaded[module] = true
    end
  end
  return loaded[module]
end

globals.package = closed("package", {loaded = loaded, path = "/usr/lib/rpm/lua/?.lua"})
globals.warn = nil

-- What other Luas have, and this one has not, ends the run; another name is nobody's.
local missing = {}
for word in ("bit32 coroutine debug getfenv gcinfo jit module newproxy rex setfenv unicode"):gmatch("%S+") do
  missing[word] = true
  globals[word] = nil
end
setmetatable(globals, {
  __index = function(_, key)
    if missing[key] then
      return unknown(key)
    end
  end,
})

globals.arg = arguments

local chunk, message = load("local opt, arg = ...;" .. source, name, "t")
if not chunk then
  return "syntax", message
end
local fine, raised = pcall(chunk, {}, arguments)
if fine then
  return "done", ""
end
local kind = type(raised)
return "failed", (kind == "string" or kind == "number") and tostring(raised) or "(error object is a " .. kind .. " value)"
