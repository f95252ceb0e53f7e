/*
 * What an auditor remembers of databases: in files from run to run, in memory from round to round.
 * audit.c has it loaded at start, audit_round.c goes by it.
 *
 * Invariants: the memory is sorted by name and each name is there once; it changes under the
 * report's lock, so that peers may be told of it at any time; only what the filters select is in
 * it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "audit_private.h"
#include "client/immu_trust.h"
#include "selection.h"

size_t
audit_memory_at(const struct audit *a, const char *name)
{
	size_t low = 0, high = a->memory_len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(a->memory[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct round_memory *
audit_memory_of(struct audit *a, const char *name)
{
	size_t at = audit_memory_at(a, name);
	struct round_memory **grown, *m;

	if (at < a->memory_len && strcmp(a->memory[at]->name, name) == 0)
		return a->memory[at];
	m = calloc(1, sizeof *m);
	if (!m)
		return NULL;
	snprintf(m->name, sizeof m->name, "%s", name);
	report_lock(a->options.report);
	grown = realloc(a->memory, (a->memory_len + 1) * sizeof *grown);
	if (grown) {
		a->memory = grown;
		memmove(&grown[at + 1], &grown[at], (a->memory_len - at) * sizeof *grown);
		grown[at] = m;
		a->memory_len++;
	}
	report_unlock(a->options.report);
	if (!grown)
		free(m);
	return grown ? m : NULL;
}

void
audit_memory_drop(struct audit *a, const char *name)
{
	size_t at = audit_memory_at(a, name);

	if (at == a->memory_len || strcmp(a->memory[at]->name, name) != 0)
		return;
	report_lock(a->options.report);
	report_drop(a->options.report, name);
	free(a->memory[at]->proof);
	free(a->memory[at]);
	a->memory_len--;
	memmove(&a->memory[at], &a->memory[at + 1], (a->memory_len - at) * sizeof *a->memory);
	report_unlock(a->options.report);
}

/* What was trusted has been verified, by a run before: peers may be given it. */
static void
recall_verified(struct audit *a, struct round_memory *m, const struct immu_trusted *trusted)
{
	struct trust_name name = {a->options.state_dir, trusted->server_id, trusted->database};
	struct trust_state state;

	m->is_known = trusted->tx > 0;
	if (trust_file_read(&name, &state) != IM_OK)
		return;
	report_lock(a->options.report);
	m->verified = state;
	m->verified_at = trusted->changed_at;
	report_unlock(a->options.report);
}

/* A file of a trusted state, at start. */
static bool
recall_state(void *arg, const struct immu_trusted *trusted)
{
	struct audit *a = arg;
	struct report *report = a->options.report;
	struct report_database *d;
	struct round_memory *m;

	if (!trusted->database || !trusted->server_id || trusted->err ||
	    strcmp(trusted->server_id, report->server.id) != 0 ||
	    !selection_accepts(a->options.databases, a->options.databases_len, trusted->database))
		return true;
	m = audit_memory_of(a, trusted->database);
	if (m)
		recall_verified(a, m, trusted);
	report_lock(report);
	d = report_database(report, trusted->database);
	if (d) {
		d->previous = (struct report_state){
		    .is_known = true, .tx = trusted->tx, .is_signed = trusted->is_signed};
		memcpy(d->previous.alh.b, trusted->hash, HASH_SIZE);
	}
	report_unlock(report);
	return true;
}

/* A record, at start: its alarm is shown before the first round. */
static bool
recall_record(void *arg, const struct audit_record_name *name, const struct audit_record *record,
    enum im_err err)
{
	struct audit *a = arg;
	struct report *report = a->options.report;
	struct report_database *d;
	struct round_memory *m;

	if (err || !record || strcmp(name->server_id, report->server.id) != 0 ||
	    !record->has_alarm ||
	    !selection_accepts(a->options.databases, a->options.databases_len, name->database))
		return true;
	m = audit_memory_of(a, name->database);
	if (m) {
		m->is_known = true;
		m->alerted = UINT32_C(1) << record->verdict;
	}
	report_lock(report);
	d = report_database(report, name->database);
	if (d)
		round_show_record(d, record);
	report_unlock(report);
	return true;
}

void
audit_pinned(const struct audit *a, char id[XID_TEXT_LEN + 1])
{
	struct trust_address name = {a->options.state_dir, a->address};
	struct buf path, text, address;

	id[0] = '\0';
	buf_init(&path, REPORT_PATH_MAX);
	buf_init(&text, TRUST_FILE_MAX);
	buf_init(&address, TRUST_FILE_MAX);
	if (trust_file_identity_path(&name, &path) || trust_file_text((char *)path.data, &text) ||
	    trust_file_decode_pin(buf_bytes(&text), id, &address))
		id[0] = '\0';
	buf_free(&address);
	buf_free(&text);
	buf_free(&path);
}

enum im_err
audit_recall(struct audit *a)
{
	struct report *report = a->options.report;
	char id[XID_TEXT_LEN + 1];
	enum im_err err;

	audit_pinned(a, id);
	if (!*id)
		return IM_OK;
	report_lock(report);
	memcpy(report->server.id, id, sizeof id);
	report_unlock(report);
	err = immu_trust_each(a->options.state_dir, recall_state, a);
	return err ? err : audit_record_each(a->options.state_dir, recall_record, a);
}
