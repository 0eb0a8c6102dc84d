
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
