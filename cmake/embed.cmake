# Makes a C file that holds other files as arrays of bytes: cmake -DOUTPUT=FILE -DNAME=NAME
# -DINPUTS=FILE,FILE... -P embed.cmake. For a file page.js of NAME page: page_js[] and page_js_size.
string(REPLACE "," ";" inputs "${INPUTS}")
set(text "/* Made from the files that it holds. */\n#include <stddef.h>\n")
foreach(input ${inputs})
	get_filename_component(extension ${input} EXT)
	string(REPLACE "." "_" symbol "${NAME}${extension}")
	file(READ ${input} hex HEX)
	string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
	string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n"
		bytes "${bytes}")
	string(APPEND text
		"extern const unsigned char ${symbol}[];\nextern const size_t ${symbol}_size;\n"
		"const unsigned char ${symbol}[] = {\n${bytes}};\n"
		"const size_t ${symbol}_size = sizeof ${symbol};\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
