/* immuclient: writes, reads and proves from the command line. Its commands: command_table.c. */
#include "cli/cli_fallback.h"
#include "commands.h"
#include "util/version.h"

int
main(int argc, char **argv)
{
	static const struct program program = {.root = &immuclient_root,
	    .fallback = &cli_server_file,
	    .env_prefix = "IMMUCLIENT_",
	    .version = IMMUDB_VERSION};

	return program_main(&program, argc, argv, NULL);
}
