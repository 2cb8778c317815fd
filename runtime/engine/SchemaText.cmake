# Writes the schemas' bytes as an array, so that the build can hash exactly what it was made from.
set(bytes "")
foreach(schema ${SCHEMAS})
  file(READ ${schema} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," hex "${hex}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
         "\\1\n" hex "${hex}")
  string(APPEND bytes "${hex}\n")
endforeach()
file(WRITE ${OUT} "// Generated from the schemas; do not edit.\nstatic const unsigned char kSchemaText[] = {\n${bytes}};\n")
