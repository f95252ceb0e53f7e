# One set of flags for all of our own code; generated code links immu_flags_generated instead.

add_library(immu_flags_generated INTERFACE)
target_compile_definitions(immu_flags_generated INTERFACE _GNU_SOURCE)
target_compile_options(immu_flags_generated INTERFACE -g -fno-omit-frame-pointer)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
	target_compile_options(immu_flags_generated INTERFACE -O2 -fstack-protector-strong
		-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(IMMUDB_SANITIZE)
	target_compile_options(immu_flags_generated INTERFACE
		-fsanitize=${IMMUDB_SANITIZE} -fno-sanitize-recover=all)
	target_link_options(immu_flags_generated INTERFACE -fsanitize=${IMMUDB_SANITIZE})
endif()
if(IMMUDB_FUZZ)
	target_compile_options(immu_flags_generated INTERFACE -fsanitize=fuzzer-no-link)
	target_link_options(immu_flags_generated INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(IMMUDB_COVERAGE)
	target_compile_options(immu_flags_generated INTERFACE --coverage)
	target_link_options(immu_flags_generated INTERFACE --coverage)
endif()

add_library(immu_flags INTERFACE)
target_link_libraries(immu_flags INTERFACE immu_flags_generated)
target_compile_options(immu_flags INTERFACE -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes
	-Wstrict-prototypes -Wformat=2 -Wconversion $<$<BOOL:${IMMUDB_WERROR}>:-Werror>)
# Assertions state bugs and stay on in every build.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-O3" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
