#ifndef AUDITOR_SELECTION_H
#define AUDITOR_SELECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "report.h"

/*
 * Which databases are audited: those that the server lists and those that were trusted before, as
 * far as the filters select them. A filter selects the names that begin with it; without filters
 * all are selected. Pure, but for memory.
 */
#define SELECTION_MAX 10000 /* databases; a server that lists more is not believed */

struct selection_item {
	char name[REPORT_NAME_MAX + 1];
};

struct selection {
	struct selection_item *items; /* sorted by name, each once */
	size_t len, cap;
};

/* Whether the filters (len 0: none) select a name. */
bool selection_accepts(const char *const *filters, size_t len, const char *name);

/* Adds a name, once; names that are too long are left out. IM_ERR_LIMIT, IM_ERR_NOMEM. */
enum im_err selection_add(struct selection *s, const char *name);

/* Whether it is in there. */
bool selection_has(const struct selection *s, const char *name);

/*
 * Drops what the filters do not select. IM_ERR_NOT_FOUND when some filter selects nothing, or there
 * is nothing at all; the detail names the filter, and the databases that there are. What the others
 * select stays selected.
 */
enum im_err selection_apply(struct selection *s, const char *const *filters, size_t len);

void selection_free(struct selection *s);

#endif
