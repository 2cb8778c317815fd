# Writes files as C++ arrays into OUT. The variables named below hold their paths.
set(text "// Generated; do not edit.\n#include \"runtime/server/Assets.h\"\nnamespace tenon::server::assets {\n")
foreach(name page openApi)
  file(READ ${${name}} hex HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," hex "${hex}")
  string(APPEND text "static const char ${name}Bytes[] = {${hex}};\n"
                     "const std::string_view ${name}(${name}Bytes, sizeof(${name}Bytes));\n")
endforeach()
file(WRITE ${OUT} "${text}} // namespace tenon::server::assets\n")
