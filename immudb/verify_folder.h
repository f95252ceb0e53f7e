#ifndef VERIFY_FOLDER_H
#define VERIFY_FOLDER_H

#include "util/options.h"

/*
 * "immudb verify DIR": checks a data folder that no server uses, or the folder of one database,
 * without writing anything into it. Prints a record for each fault and one for each database.
 * Returns IM_EXIT_OK (whole), IM_EXIT_VERIFICATION (faults), IM_EXIT_ERROR (cannot be checked).
 */
int verify_folder_run(struct command_call *call);

#endif
