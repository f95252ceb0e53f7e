#ifndef AUDITOR_AUDIT_RECORD_TEXT_H
#define AUDITOR_AUDIT_RECORD_TEXT_H

#include "audit_record.h"

/*
 * The text of a record's file; audit_record.c has the files. Pure.
 */

/* Appends the text of a record. Of name the folder is not looked at. The error of out. */
enum im_err audit_record_encode(
    const struct audit_record_name *name, const struct audit_record *record, struct buf *out);

/*
 * Reads a text back. IM_ERR_STATE_CORRUPT when it is not exactly what would be written for that
 * server and database; *out is then undefined.
 */
enum im_err audit_record_decode(
    const struct audit_record_name *name, struct bytes text, struct audit_record *out);

#endif
