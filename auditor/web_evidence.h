#ifndef AUDITOR_WEB_EVIDENCE_H
#define AUDITOR_WEB_EVIDENCE_H

#include "util/bytes.h"

/* Largest file that is served: what an answer may hold. */
#define WEB_EVIDENCE_MAX (64u << 20)

/*
 * Whether a name can be that of a file in the folder, and stand in a link and a header: letters,
 * digits, ".", "_" and "-", no dot at its start.
 */
bool web_evidence_is_name(const char *name);

/*
 * Appends the file of that name in the folder. Follows no link, and reads plain files only.
 * IM_ERR_NOT_FOUND for a name that is none or names no such file, IM_ERR_LIMIT, IM_ERR_IO.
 */
enum im_err web_evidence_read(const char *folder, const char *name, struct buf *out);

#endif
