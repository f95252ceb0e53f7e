#ifndef ANNOUNCE_RESTORE_H
#define ANNOUNCE_RESTORE_H

#include "util/options.h"

/*
 * "immudb announce-restore --dir DIR --database NAME [--from-tx N --from-hash HEX] --to-tx N
 * --to-hash HEX [--by WHO]": writes into a data folder that no server uses that one of its
 * databases was restored. The next start signs and journals that, once. Without --from-tx it is not
 * known what was there. WHO is the user who runs this unless it is given. The same announcement
 * given twice counts once. Hidden: programs that restore a folder run it. Returns IM_EXIT_OK,
 * IM_EXIT_USAGE, IM_EXIT_ERROR (which leaves the folder as it was).
 */
int announce_restore_run(struct command_call *call);

#define ANNOUNCE_RESTORE_OPTIONS 6
extern const struct option_def announce_restore_options[ANNOUNCE_RESTORE_OPTIONS];

#endif
