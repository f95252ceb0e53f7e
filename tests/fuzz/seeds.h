#ifndef SEEDS_H
#define SEEDS_H

#include "util/bytes.h"

/* The parts of make_seeds: each writes seeds of some targets. */

/* Writes an input of a target: the first byte, unless it is negative, and content. */
void seed_put(const char *target, const char *name, int first, struct bytes content);

void seed_formats(void);  /* seeds_format.c: texts, frames, encodings, keys, small files */
void seed_store(void);    /* seeds_store.c: logs, trees, offsets, manifests, runs */
void seed_messages(void); /* seeds_message.c: requests, answers, exported transactions */
void seed_writes(void);   /* seeds_write.c: requests that write */
void seed_offline(void);  /* seeds_offline.c: offline proofs; after seed_messages() */
void seed_rest(void);     /* seeds_rest.c: requests and JSON of the gateway */
void seed_archives(void); /* seeds_archive.c: archives of hot-backup */
void seed_backups(void);  /* seeds_backup.c: manifests and names of backups */

#endif
