/*
 * The JSON of an alert. Neighbours: alert (queues it), ALERTS.md (describes it).
 *
 * Invariants: the fields of the original's webhook keep name, place and form; user name and
 * password are never among them; whatever a server sent is escaped, so that the result is always
 * valid JSON.
 */
#include "alert_json.h"

#include <unistd.h>

#include "util/base64.h"
#include "util/clock.h"
#include "util/hex.h"
#include "util/text.h"

#define ALERT_HOST_MAX 256

static void
alert_json_string(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, ",\"%s\":", name);
	text_append_json(out, bytes_str(value ? value : ""));
}

/* null for "not known". */
static void
alert_json_tx(struct buf *out, const char *name, uint64_t tx)
{
	if (tx)
		buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)tx);
	else
		buf_printf(out, ",\"%s\":null", name);
}

static void
alert_json_state(struct buf *out, const char *name, const struct report_state *s,
    const struct bytes signed_by[2])
{
	buf_printf(out, ",\"%s\":", name);
	if (!s->is_known) {
		buf_append_str(out, "null");
		return;
	}
	buf_printf(out, "{\"tx\":%llu,\"hash\":\"", (unsigned long long)s->tx);
	hex_append(out, hash_bytes(&s->alh));
	buf_append_str(out, "\",\"signature\":{\"signature\":\"");
	base64_append(out, BASE64_STD, signed_by[0]);
	buf_append_str(out, "\",\"public_key\":\"");
	base64_append(out, BASE64_STD, signed_by[1]);
	buf_append_str(out, "\"}}");
}

static void
alert_json_time(struct buf *out, const char *name, double unix_s)
{
	char text[CLOCK_TEXT_SIZE];
	struct timespec at = {.tv_sec = (time_t)unix_s};

	at.tv_nsec = (long)((unix_s - (double)at.tv_sec) * 1e9);
	alert_json_string(out, name, clock_format_ms(at, text));
}

bool
alert_json_append(struct buf *out, const struct alert *alert, const char *id)
{
	const struct audit_verdict_info *verdict = audit_verdict_info(alert->verdict);
	const struct bytes previous[2] = {alert->previous_signature, alert->previous_public_key};
	const struct bytes current[2] = {alert->current_signature, alert->current_public_key};
	char host[ALERT_HOST_MAX] = "";

	if (gethostname(host, sizeof host - 1) != 0)
		host[0] = '\0';
	buf_append_str(out, "{\"db\":");
	text_append_json(out, bytes_str(alert->database));
	alert_json_time(out, "run_at", alert->run_at);
	buf_printf(out, ",\"tampered\":%s", verdict->is_tamper ? "true" : "false");
	alert_json_state(out, "previous_state", &alert->previous, previous);
	alert_json_state(out, "current_state", &alert->current, current);
	alert_json_string(out, "alert_id", id);
	alert_json_string(out, "verdict", verdict->word);
	alert_json_string(out, "text", verdict->text);
	alert_json_string(out, "reason", alert->reason);
	alert_json_tx(out, "suspect_from_tx", alert->suspect_from);
	alert_json_tx(out, "suspect_to_tx", alert->suspect_to);
	alert_json_string(out, "evidence", alert->evidence);
	alert_json_string(out, "server_address", alert->server_address);
	alert_json_string(out, "server_id", alert->server_id);
	alert_json_string(out, "auditor_host", host);
	return buf_append_str(out, "}\n");
}
