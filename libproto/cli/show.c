/* The blocks that commands print: entries, members, transactions, states. */
#include "cli/show.h"

#include <stdio.h>
#include <string.h>

#include "util/clock.h"

void
show_metadata_fields(struct output *o, const struct immu_metadata *md)
{
	char at[CLOCK_TEXT_SIZE], text[128];

	if (!md->deleted && !md->expires && !md->non_indexable)
		return;
	if (output_format(o) == OUTPUT_JSON) {
		if (md->deleted)
			output_bool(o, "deleted", true);
		if (md->expires)
			output_time(o, "expires_at", md->expires_at);
		if (md->non_indexable)
			output_bool(o, "non_indexable", true);
		return;
	}
	snprintf(text, sizeof text, "{%s%s%s%s%s%s}", md->deleted ? "deleted" : "",
	    md->deleted && (md->expires || md->non_indexable) ? ", " : "",
	    md->expires ? "expires " : "", md->expires ? clock_format_s(md->expires_at, at) : "",
	    md->expires && md->non_indexable ? ", " : "", md->non_indexable ? "non-indexable" : "");
	output_string(o, "metadata", text);
}

static void
show_verified_field(struct output *o, bool verified)
{
	if (verified)
		output_bool(o, "verified", true);
}

/* Opens a record whose longest label is the given one. */
static void
begin(struct output *o, const char *longest)
{
	unsigned width = (unsigned)strlen(longest) + sizeof ": " - 1;

	output_label_width(o, width < OUTPUT_LABEL_WIDTH ? OUTPUT_LABEL_WIDTH : width);
	output_record_begin(o, NULL);
}

static void
show_bound_field(struct output *o, uint64_t at_tx)
{
	if (at_tx > 0)
		output_u64(o, "bound to tx", at_tx);
}

static void
show_entry_fields(struct output *o, const struct immu_entry *entry)
{
	output_u64(o, "tx", entry->tx);
	if (entry->revision > 0)
		output_u64(o, "rev", entry->revision);
	output_bytes(o, "key", show_bytes(entry->key));
	if (entry->via) {
		output_bytes(o, "reference", show_bytes(entry->via->key));
		output_u64(o, "reference tx", entry->via->tx);
		show_bound_field(o, entry->via->at_tx);
	}
	show_metadata_fields(o, &entry->metadata);
	output_bytes(o, "value", show_bytes(entry->value));
}

void
show_entry(struct output *o, const struct immu_entry *entry, bool verified)
{
	begin(o, entry->via ? "reference tx" : "");
	show_entry_fields(o, entry);
	show_verified_field(o, verified);
	output_record_end(o);
}

void
show_version(struct output *o, const struct immu_entry *entry)
{
	begin(o, entry->via ? "referenced key" : "");
	output_u64(o, "tx", entry->tx);
	if (entry->revision > 0)
		output_u64(o, "rev", entry->revision);
	output_bytes(o, "key", show_bytes(entry->via ? entry->via->key : entry->key));
	show_metadata_fields(o, &entry->metadata);
	if (entry->expired)
		output_bool(o, "expired", true);
	if (entry->via) {
		output_bytes(o, "referenced key", show_bytes(entry->key));
		show_bound_field(o, entry->via->at_tx);
	} else if (!entry->metadata.deleted && !entry->expired) {
		output_bytes(o, "value", show_bytes(entry->value));
	}
	output_record_end(o);
}

void
show_member(struct output *o, const struct immu_zentry *member)
{
	begin(o, member->at_tx ? "bound to tx" : "");
	output_double(o, "score", member->score);
	show_bound_field(o, member->at_tx);
	show_entry_fields(o, &member->entry);
	output_record_end(o);
}

void
show_reference(struct output *o, const struct immu_reference *reference, uint64_t tx, bool verified)
{
	begin(o, "referenced key");
	output_u64(o, "tx", tx);
	output_bytes(o, "key", show_bytes(reference->key));
	output_bytes(o, "referenced key", show_bytes(reference->target));
	show_bound_field(o, reference->at_tx);
	show_verified_field(o, verified);
	output_record_end(o);
}

void
show_zadd(struct output *o, const struct immu_zadd *zadd, uint64_t tx, bool verified)
{
	begin(o, "referenced key");
	output_u64(o, "tx", tx);
	output_bytes(o, "set", show_bytes(zadd->set));
	output_bytes(o, "referenced key", show_bytes(zadd->key));
	output_double(o, "score", zadd->score);
	show_bound_field(o, zadd->at_tx);
	show_verified_field(o, verified);
	output_record_end(o);
}

void
show_tx_entry(struct output *o, const struct immu_tx_entry *e)
{
	bool refers = e->kind == IMMU_KIND_REFERENCE || e->kind == IMMU_KIND_ZADD;

	begin(o, refers ? "referenced key" : e->kind == IMMU_KIND_VALUE ? "" : "value hash");
	if (e->kind == IMMU_KIND_ZADD) {
		output_bytes(o, "set", show_bytes(e->set));
		output_bytes(o, "referenced key", show_bytes(e->key));
		output_double(o, "score", e->score);
	} else if (e->kind == IMMU_KIND_OTHER) {
		output_hex(o, "raw key", show_bytes(e->raw_key));
	} else {
		output_bytes(o, "key", show_bytes(e->key));
	}
	if (e->kind == IMMU_KIND_REFERENCE)
		output_bytes(o, "referenced key", show_bytes(e->target));
	if (refers)
		show_bound_field(o, e->at_tx);
	show_metadata_fields(o, &e->metadata);
	if (e->kind == IMMU_KIND_VALUE && !e->metadata.deleted)
		output_bytes(o, "value", show_bytes(e->value));
	else if (e->kind == IMMU_KIND_KEY || e->kind == IMMU_KIND_OTHER)
		output_hex(o, "value hash", bytes_of(e->value_hash, IMMU_HASH_SIZE));
	output_record_end(o);
}

void
show_header_fields(struct output *o, const struct immu_header *header)
{
	output_u64(o, "tx", header->id);
	output_time(o, "time", header->ts);
	output_u64(o, "entries", header->entries);
	output_hex(o, "hash", bytes_of(header->alh, IMMU_HASH_SIZE));
}

void
show_state(struct output *o, const struct immu_state *state, bool verified)
{
	if (state->tx == 0 && output_format(o) == OUTPUT_TEXT) {
		output_message(o, "database '%s' is empty", state->database);
		return;
	}
	begin(o, "database ");
	output_string(o, "database", state->database);
	output_u64(o, "txID", state->tx);
	output_hex(o, "hash", bytes_of(state->hash, IMMU_HASH_SIZE));
	if (state->is_signed)
		output_bool(o, "signed", true);
	show_verified_field(o, verified);
	output_record_end(o);
}
