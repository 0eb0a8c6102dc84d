
-- The scriptlet: how it ends, and its message.

globals.arg = arguments

local chunk, message = load("local opt, arg = ...;" .. source, name, "t")
if not chunk then
  return "syntax", message
end
local fine, raised = pcall(chunk, {}, arguments)
if fine then
  return "done", ""
end
is_over(raised)
local kind = type(raised)
return "failed", (kind == "string" or kind == "number") and tostring(raised) or "(error object is a " .. kind .. " value)"
