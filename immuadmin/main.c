/* immuadmin: users, databases and sessions of an immudb server. Its commands: admin_table.c. */
#include "admin_commands.h"
#include "cli/cli_fallback.h"
#include "util/version.h"

int
main(int argc, char **argv)
{
	static const struct program program = {.root = &immuadmin_root,
	    .fallback = &cli_server_file,
	    .env_prefix = "IMMUADMIN_",
	    .version = IMMUDB_VERSION};

	return program_main(&program, argc, argv, NULL);
}
