
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
