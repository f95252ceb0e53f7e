/*
 * From verified answers to offline proof files: which sections there are, and the messages in them.
 * PROOF_FORMAT.md is the description; offline_check.c reads what is written here.
 */
#include "client/offline.h"

#include "client/offline_sections.h"
#include "util/clock.h"
#include "util/version.h"

/* The four sections of an entry or reference, from its type on. */
static void
add_entry(struct offline_sections *s, uint16_t type, const Immudb__Schema__VerifiableEntry *m)
{
	Immudb__Schema__Entry entry = *m->entry;

	/* Behind a reference nothing but the key is in its proof. */
	if (entry.referencedby) {
		entry.value = (ProtobufCBinaryData){0, NULL};
		entry.metadata = NULL;
		entry.revision = 0;
	}
	offline_add_message(s, type, &entry.base);
	offline_add_message(s, (uint16_t)(type + 1), &m->verifiabletx->tx->header->base);
	offline_add_message(s, (uint16_t)(type + 2), &m->inclusionproof->base);
	offline_add_message(s, (uint16_t)(type + 3), &m->verifiabletx->dualproof->base);
}

static void
add_tx(struct offline_sections *s, const Immudb__Schema__VerifiableTx *m)
{
	offline_add_message(s, OFFLINE_TX_HEADER, &m->tx->header->base);
	offline_add_message(s, OFFLINE_TX_HISTORY, &m->dualproof->base);
	for (size_t i = 0; i < m->tx->n_entries; i++)
		offline_add_message(s, OFFLINE_TX_ENTRY, &m->tx->entries[i]->base);
}

static void
add_signature(struct offline_sections *s, const Immudb__Schema__Signature *m)
{
	if (m && m->signature.len > 0)
		offline_add_message(s, OFFLINE_SIGNATURE, &m->base);
}

static void
collect(struct offline_sections *s, const struct offline_source *source)
{
	offline_add(s, OFFLINE_SERVER, bytes_str(source->server_id));
	offline_add(s, OFFLINE_DATABASE, bytes_str(source->database));
	offline_add(s, OFFLINE_ADDRESS, bytes_str(source->address));
	offline_add(s, OFFLINE_PROGRAM, bytes_str("libimmu " IMMUDB_VERSION));
	offline_add_time(s, OFFLINE_WRITTEN, clock_wall_s());
	offline_add_point(s, OFFLINE_TRUSTED, &source->trusted);
	if (source->kind == IMMU_PROOF_TX) {
		add_signature(s, source->tx->signature);
		add_tx(s, source->tx);
		return;
	}
	add_signature(s, source->entry->verifiabletx->signature);
	if (source->via)
		add_entry(s, OFFLINE_REFERENCE, source->via);
	add_entry(s, OFFLINE_ENTRY, source->entry);
}

enum im_err
offline_make(const struct offline_source *source, struct arena *arena, struct immu_bytes *out)
{
	struct offline_sections *s = arena_calloc(arena, 1, sizeof *s);
	enum im_err err = s ? IM_OK : IM_ERR_NOMEM;

	if (!err) {
		s->arena = arena;
		collect(s, source);
		err = s->err;
	}
	if (!err)
		err = offline_assemble(s, source->kind, arena, out);
	return err ? err_set(err, "the offline proof: %s", err_text(err)) : IM_OK;
}
