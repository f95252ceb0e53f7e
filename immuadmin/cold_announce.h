#ifndef COLD_ANNOUNCE_H
#define COLD_ANNOUNCE_H

#include "cold_manifest.h"

/* A folder that takes the place of another. */
struct cold_announcement {
	const char *dir;                  /* the new one, which no server uses yet */
	const struct cold_states *before; /* empty: not known */
	const struct cold_states *after;
};

/*
 * Writes into the new folder that its databases were restored, for each whose newest transaction is
 * not what it was: "immudb announce-restore", which the next start signs and journals. IM_ERR_IO
 * with what it says, IM_ERR_INTERRUPTED.
 */
enum im_err cold_announce(const struct cold_announcement *a);

#endif
