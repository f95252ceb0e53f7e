/* immuclient: writes, reads and proves from the command line. Its commands: command_table.c. */
#include "commands.h"
#include "util/version.h"

int
main(int argc, char **argv)
{
	static const struct program program = {.root = &immuclient_root,
	    .env_prefix = "IMMUCLIENT_",
	    .version = "immuclient " IMMUDB_VERSION};

	return program_main(&program, argc, argv, NULL);
}
