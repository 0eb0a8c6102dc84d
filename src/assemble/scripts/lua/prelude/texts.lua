
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
