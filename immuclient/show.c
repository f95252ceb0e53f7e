/* The blocks that commands print: entries and states. */
#include "show.h"

#include <stdio.h>

#include "util/clock.h"

/* As text one line, "metadata: {...}"; as JSON fields of their own. */
static void
show_metadata(struct output *o, const struct immu_metadata *md)
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

void
show_entry(struct output *o, const struct immu_entry *entry, bool verified)
{
	output_record_begin(o, NULL);
	output_u64(o, "tx", entry->tx);
	if (entry->revision > 0)
		output_u64(o, "rev", entry->revision);
	output_bytes(o, "key", show_bytes(entry->key));
	show_metadata(o, &entry->metadata);
	output_bytes(o, "value", show_bytes(entry->value));
	if (verified)
		output_bool(o, "verified", true);
	output_record_end(o);
}

void
show_state(struct output *o, const struct immu_state *state, bool verified)
{
	if (state->tx == 0 && output_format(o) == OUTPUT_TEXT) {
		output_message(o, "database '%s' is empty", state->database);
		return;
	}
	output_record_begin(o, NULL);
	output_label_width(o, sizeof "database:  " - 1);
	output_string(o, "database", state->database);
	output_u64(o, "txID", state->tx);
	output_hex(o, "hash", bytes_of(state->hash, IMMU_HASH_SIZE));
	if (state->is_signed)
		output_bool(o, "signed", true);
	if (verified)
		output_bool(o, "verified", true);
	output_record_end(o);
}
