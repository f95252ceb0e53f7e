# Static programs: X-static is the program X with each outside library taken from its archive, so that it
# needs nothing at run time but the C library (libc and libm). Debian has no archive of some libraries;
# those stay shared, and packaging/README.md names them. An archive from elsewhere is used when it is named:
# -DIMMUDB_ARCHIVE_civetweb=FILE.

# immu_outside(NAME TARGET ARCHIVE...): outside_NAME is TARGET, an imported library; in a program with the
# property IMMUDB_STATIC it is the archives instead, if all of them are there.
function(immu_outside name target)
	set(archives)
	foreach(archive ${ARGN})
		find_library(IMMUDB_ARCHIVE_${archive} NAMES lib${archive}.a)
		mark_as_advanced(IMMUDB_ARCHIVE_${archive})
		list(APPEND archives ${IMMUDB_ARCHIVE_${archive}})
	endforeach()
	if("${archives}" MATCHES "-NOTFOUND")
		set(archives ${target})
	endif()
	list(APPEND archives m)
	add_library(outside_${name} INTERFACE)
	target_link_libraries(outside_${name} INTERFACE
		"$<IF:$<BOOL:$<TARGET_PROPERTY:IMMUDB_STATIC>>,${archives},${target}>")
endfunction()

# immu_static_program(NAME LIBRARY...): the program NAME-static, from main.c of this folder; it is built
# when it is asked for.
function(immu_static_program name)
	# libarchive's writer of tar files names all its other writers, and these more libraries; what is not
	# reached is left out, and so is not missed.
	add_executable(${name}-static EXCLUDE_FROM_ALL main.c)
	target_link_libraries(${name}-static PRIVATE ${ARGN})
	target_link_options(${name}-static PRIVATE -static-libgcc -Wl,--as-needed,--gc-sections)
	set_target_properties(${name}-static PROPERTIES IMMUDB_STATIC ON OUTPUT_NAME ${name}
		RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/static)
endfunction()

immu_outside(crypto OpenSSL::Crypto crypto)
immu_outside(ssl OpenSSL::SSL ssl crypto)
immu_outside(protobuf_c PkgConfig::PROTOBUF_C protobuf-c)
immu_outside(sqlite3 PkgConfig::SQLITE3 sqlite3)
immu_outside(yaml PkgConfig::YAML yaml)
immu_outside(json_c PkgConfig::JSON_C json-c)
immu_outside(edit PkgConfig::LIBEDIT edit tinfo bsd md)
immu_outside(archive PkgConfig::ARCHIVE archive z)
immu_outside(nng nng::nng nng mbedtls mbedx509 mbedcrypto)
immu_outside(civetweb civetweb civetweb)
