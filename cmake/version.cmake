# The version stamp: project version, commit and time, written to util/version.h at configure time.

find_package(Git QUIET)
set(IMMUDB_COMMIT "")
if(GIT_FOUND)
	execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD
		WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
		OUTPUT_VARIABLE IMMUDB_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
# SOURCE_DATE_EPOCH is honoured by string(TIMESTAMP), so that a build can be reproduced.
string(TIMESTAMP IMMUDB_BUILT_AT "%Y-%m-%dT%H:%M:%SZ" UTC)
configure_file(${PROJECT_SOURCE_DIR}/cmake/version.h.in
	${PROJECT_BINARY_DIR}/generated/util/version.h @ONLY)
