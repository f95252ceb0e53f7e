/*
 * The consequences of a round. round.c has found a verdict; here it becomes durable and known, in
 * an order in which a crash loses nothing: evidence, then the record that names it, then the alert.
 * A good verdict moves the trusted state.
 *
 * Invariants: the trusted state is replaced only by one that passed every check of its round; an
 * alarm in the record is replaced only by a worse one, and ends only by an acknowledgement; people
 * are told of a verdict once until then. (A webhook may want good rounds too: alert.c knows.)
 */
#include "round_end.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "peer_proof.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/hex.h"
#include "util/log.h"
#include "util/version.h"

#define EVIDENCE_FOLDER "evidence"
#define EVIDENCE_NAMES_MAX 1000
#define EVIDENCE_MEMORY ((size_t)256 << 20)

static uint32_t
verdict_bit(enum audit_verdict verdict)
{
	return UINT32_C(1) << verdict;
}

static bool
is_tamper(const struct round *r)
{
	return audit_verdict_info(r->finding.verdict)->is_tamper;
}

static bool
is_good(const struct round *r)
{
	return r->finding.verdict == AUDIT_OK || r->finding.verdict == AUDIT_FIRST_SEEN;
}

/* ---- Evidence. ---- */

/* A path in the evidence folder that is not taken: SERVER-DATABASE-TIME-VERDICT.proof. */
static enum im_err
evidence_path(const struct round *r, char out[REPORT_PATH_MAX])
{
	char at[CLOCK_TEXT_SIZE], number[16] = "";

	clock_format_s((int64_t)r->ended_at, at);
	/* Colons are trouble in file names. */
	for (size_t from = 0, to = 0;; from++) {
		if (at[from] != ':' && at[from] != '-')
			at[to++] = at[from];
		if (!at[from])
			break;
	}
	for (int i = 2; i < EVIDENCE_NAMES_MAX; i++) {
		int n = snprintf(out, REPORT_PATH_MAX, "%s/" EVIDENCE_FOLDER "/%s-%s-%s-%s%s.proof",
		    r->name.folder, r->name.server_id, r->database, at,
		    audit_verdict_info(r->finding.verdict)->word, number);

		if (n < 0 || n >= REPORT_PATH_MAX)
			return err_set(IM_ERR_LIMIT, "%s: the path is too long", r->name.folder);
		if (access(out, F_OK) != 0)
			return file_make_parent(out);
		snprintf(number, sizeof number, "-%d", i);
	}
	return err_set(IM_ERR_LIMIT, "%s: too many files of this second", r->name.folder);
}

/* Writes the evidence file and gives its path. */
static enum im_err
write_evidence(const struct round *r, const char *other_id, char path[REPORT_PATH_MAX])
{
	const struct finding *f = &r->finding;
	struct evidence_source source = {.verdict = audit_verdict_info(f->verdict)->word,
	    .reason = f->reason,
	    .server_id = r->name.server_id,
	    .database = r->database,
	    .address = r->env->address,
	    .program = "auditor " IMMUDB_VERSION,
	    .trusted = f->against ? f->against
		: r->has_trusted  ? &r->trusted
				  : NULL,
	    .seen = f->instead ? f->instead
		: r->has_seen  ? &r->seen
			       : NULL,
	    .seen_at = (int64_t)r->ended_at,
	    .other_server_id = other_id,
	    .suspect_from = f->suspect_from,
	    .suspect_to = f->suspect_to,
	    .tx = f->tx,
	    .link = f->link,
	    .notice = f->notice};
	struct immu_bytes file;
	struct arena arena;
	enum im_err err;

	for (size_t i = 0; source.trusted == &r->trusted && i < r->record.points_len; i++)
		if (r->record.points[i].tx == r->trusted.point.id)
			source.trusted_at = r->record.points[i].seen_at;
	arena_init(&arena, EVIDENCE_MEMORY);
	err = evidence_make(&source, &arena, &file);
	if (!err)
		err = evidence_path(r, path);
	if (!err)
		err = file_replace(path, bytes_of(file.data, file.len));
	arena_free(&arena);
	if (err)
		path[0] = '\0';
	return err;
}

/* ---- The record. ---- */

/* What the record is to say; see change_record(). */
struct record_change {
	const struct round *r;
	const char *evidence;
};

/* Whether the round's verdict is an alarm that the record does not have, or a worse one. */
static bool
is_new_alarm(const struct round *r, const struct audit_record *record)
{
	enum audit_verdict verdict = r->finding.verdict;

	return is_tamper(r) &&
	    (!record->has_alarm ||
		(record->verdict != verdict &&
		    audit_verdict_worse(record->verdict, verdict) == verdict));
}

static void
set_alarm(struct audit_record *record, const struct record_change *c)
{
	const struct finding *f = &c->r->finding;

	record->has_alarm = true;
	record->verdict = f->verdict;
	record->since = (int64_t)c->r->ended_at;
	snprintf(record->reason, sizeof record->reason, "%s", f->reason);
	snprintf(record->evidence, sizeof record->evidence, "%s", c->evidence);
	record->suspect_from = f->suspect_from;
	record->suspect_to = f->suspect_to;
}

/* Whether the state is newer than what the record has of this history. */
static bool
is_new_point(const struct round *r, const struct audit_record *record)
{
	const struct audit_record_point *last =
	    record->points_len > 0 ? &record->points[record->points_len - 1] : NULL;

	return is_good(r) && r->seen.point.id > 0 && (!last || last->tx < r->seen.point.id);
}

/* Whether the round changes what the record has of announced restores. */
static bool
is_notice_news(const struct round *r, const struct audit_record *record)
{
	if (r->finding.notice_at_ms > 0)
		return r->finding.notice_at_ms != record->notice_at_ms;
	return is_good(r) && record->notice_at_ms > 0 && !record->is_notice_settled;
}

static enum im_err
change_record(void *arg, struct audit_record *record)
{
	const struct record_change *c = arg;
	const struct round *r = c->r;

	if (is_new_alarm(r, record))
		set_alarm(record, c);
	/* What was proven of a history that is not trusted any more says nothing of this one. */
	if (r->finding.verdict == AUDIT_FIRST_SEEN)
		record->points_len = 0;
	if (is_new_point(r, record))
		audit_record_add_point(record,
		    &(struct audit_record_point){
			r->seen.point.id, r->seen.point.alh, (int64_t)r->ended_at});
	if (is_notice_news(r, record)) {
		record->is_notice_settled = is_good(r);
		if (r->finding.notice_at_ms > 0)
			record->notice_at_ms = r->finding.notice_at_ms;
	}
	record->sweep_position = r->sweep_position;
	record->sweep_started_at = r->sweep_started_at;
	record->sweep_finished_at = r->sweep_finished_at;
	return IM_OK;
}

/* Changes the record when there is something to change, and keeps a copy of it in the round. */
static enum im_err
update_record(struct round *r, const struct record_change *change)
{
	struct audit_record_name name = {r->name.folder, r->name.server_id, r->name.database};
	const struct audit_record *old = &r->record;
	enum im_err err;

	if (!is_new_alarm(r, old) && r->finding.verdict != AUDIT_FIRST_SEEN &&
	    !is_new_point(r, old) && !is_notice_news(r, old) &&
	    old->sweep_position == r->sweep_position &&
	    old->sweep_started_at == r->sweep_started_at &&
	    old->sweep_finished_at == r->sweep_finished_at)
		return IM_OK;
	err = audit_record_update(&name, change_record, (void *)(uintptr_t)change);
	if (!err)
		err = audit_record_read(&name, &r->record);
	return err;
}

/* ---- The trusted state. ---- */

static bool
is_same_state(const struct trust_state *a, const struct trust_state *b)
{
	return a->point.id == b->point.id && a->signature_len == b->signature_len &&
	    memcmp(a->signature, b->signature, a->signature_len) == 0;
}

/*
 * Trusts what the round has proven. When the file holds something else by now (an operator's
 * import, another auditor), that stays, and the next round goes by it.
 */
static enum im_err
move_trust(const struct round *r)
{
	struct trust_state found;
	bool swapped;

	if (r->has_trusted && is_same_state(&r->trusted, &r->seen))
		return IM_OK;
	return trust_file_swap(
	    &r->name, r->has_trusted ? &r->trusted : NULL, &r->seen, &found, &swapped);
}

/* ---- Telling. ---- */

static struct report_state
shown_state(const struct trust_state *state, bool is_known)
{
	return (struct report_state){.is_known = is_known,
	    .tx = state->point.id,
	    .alh = state->point.alh,
	    .is_signed = state->signature_len > 0};
}

static void
send_alert(const struct round *r, const char *evidence)
{
	const struct finding *f = &r->finding;
	struct alert alert = {.server_address = r->env->address,
	    .server_id = r->name.server_id,
	    .database = r->database,
	    .run_at = r->ended_at,
	    .verdict = f->verdict,
	    .reason = f->reason,
	    .evidence = evidence,
	    .suspect_from = f->suspect_from,
	    .suspect_to = f->suspect_to,
	    .previous = shown_state(&r->trusted, r->has_trusted),
	    .current = shown_state(&r->seen, r->has_seen),
	    .previous_signature = bytes_of(r->trusted.signature, r->trusted.signature_len),
	    .current_signature = bytes_of(r->seen.signature, r->seen.signature_len)};
	uint8_t point[SIGN_POINT_SIZE];
	enum im_err err;

	if (!r->env->options->alerts)
		return;
	if (r->signer) {
		sign_public_key_point(r->signer, point);
		alert.current_public_key = bytes_of(point, sizeof point);
	}
	err = alerts_send(r->env->options->alerts, &alert);
	if (err)
		log_error("the alert about %s was not queued: %s", r->database, err_detail(err));
}

/* "transaction 5", "transactions 5 to 9", or nothing. */
static const char *
suspects_text(const struct finding *f, char *memory, size_t size)
{
	if (f->suspect_from == 0)
		memory[0] = '\0';
	else if (f->suspect_from == f->suspect_to)
		snprintf(memory, size, "; transaction %" PRIu64, f->suspect_from);
	else
		snprintf(memory, size, "; transactions %" PRIu64 " to %" PRIu64, f->suspect_from,
		    f->suspect_to);
	return memory;
}

/* Room for two states in words. */
#define STATES_TEXT_MAX 256

/* "; expected: HASH at tx: 5, seen: HASH at tx: 7", as far as there are such states. */
static void
states_text(const struct round *r, char *memory, size_t size)
{
	const struct finding *f = &r->finding;
	const struct trust_state *expected = f->against ? f->against : &r->trusted;
	char hex[2 * HASH_SIZE + 1];
	struct buf out;

	buf_init_in(&out, memory, size);
	if (r->has_trusted || f->against) {
		hex_encode(hash_bytes(&expected->point.alh), hex);
		buf_printf(&out, "; expected: %s at tx: %" PRIu64, hex, expected->point.id);
	}
	if (r->has_seen) {
		hex_encode(hash_bytes(&r->seen.point.alh), hex);
		buf_printf(&out, "; seen: %s at tx: %" PRIu64, hex, r->seen.point.id);
	}
	buf_append_u8(&out, '\0');
}

static void
log_good(const struct round *r)
{
	char before[2 * HASH_SIZE + 1], now[2 * HASH_SIZE + 1];

	if (r->finding.verdict == AUDIT_FIRST_SEEN) {
		log_info("audit #%" PRIu64 ": db: %s, seen for the first time; its state at tx: "
			 "%" PRIu64 " is trusted from now on",
		    r->env->number, r->database, r->seen.point.id);
		return;
	}
	hex_encode(hash_bytes(&r->trusted.point.alh), before);
	hex_encode(hash_bytes(&r->seen.point.alh), now);
	log_info("audit #%" PRIu64 " result: db: %s, consistent: true, previous state: %s at tx: "
		 "%" PRIu64 ", current state: %s at tx: %" PRIu64 ", entries checked: %" PRIu64,
	    r->env->number, r->database, before, r->trusted.point.id, now, r->seen.point.id,
	    r->sampled + r->swept);
}

static void
log_round(const struct round *r, const char *evidence, bool is_new)
{
	const struct audit_verdict_info *info = audit_verdict_info(r->finding.verdict);
	char suspects[80], states[STATES_TEXT_MAX];

	if (is_good(r)) {
		log_good(r);
		return;
	}
	if (!info->is_tamper) {
		log_warn("audit #%" PRIu64 ": db: %s, %s: %s", r->env->number, r->database,
		    info->word, r->finding.reason);
		return;
	}
	suspects_text(&r->finding, suspects, sizeof suspects);
	states_text(r, states, sizeof states);
	log_write(is_new ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
	    "audit #%" PRIu64 " result: db: %s, consistent: false, %s: %s%s%s%s%s", r->env->number,
	    r->database, info->word, r->finding.reason, suspects, states,
	    *evidence ? "; evidence: " : "", evidence);
	if (is_new && r->has_seen && r->has_trusted)
		log_error("audit #%" PRIu64
			  " detected possible tampering of db %s remote state (at id %" PRIu64
			  ") so it will not overwrite the previous local state (at id %" PRIu64 ")",
		    r->env->number, r->database, r->seen.point.id, r->trusted.point.id);
}

void
round_show_record(struct report_database *d, const struct audit_record *record)
{
	d->sweep_position = record->sweep_position;
	if (!record->has_alarm)
		return;
	d->verdict = record->verdict;
	d->since = (double)record->since;
	d->suspect_from = record->suspect_from;
	d->suspect_to = record->suspect_to;
	snprintf(d->reason, sizeof d->reason, "%s", record->reason);
	snprintf(d->evidence, sizeof d->evidence, "%s", record->evidence);
}

/* What the round itself says, when no alarm is above it. */
static void
show_finding(struct report_database *d, const struct round *r, const char *evidence)
{
	const struct finding *f = &r->finding;

	if (d->verdict != f->verdict || d->since == 0)
		d->since = r->ended_at;
	d->verdict = f->verdict;
	d->suspect_from = f->suspect_from;
	d->suspect_to = f->suspect_to;
	snprintf(d->reason, sizeof d->reason, "%s", f->reason);
	snprintf(d->evidence, sizeof d->evidence, "%s", evidence);
}

static void
peer_state_of(const struct round *r, const struct trust_state *state, struct peer_state *out)
{
	*out = (struct peer_state){.tx = state->point.id,
	    .alh = state->point.alh,
	    .signature_len = state->signature_len,
	    .seen_at = (int64_t)r->ended_at};
	snprintf(out->server_id, sizeof out->server_id, "%s", r->name.server_id);
	snprintf(out->database, sizeof out->database, "%s", r->database);
	memcpy(out->signature, state->signature, state->signature_len);
}

/* What peers can check by themselves: two signed states and the proof that they contradict. */
static struct peer_proof *
make_proof(const struct round *r)
{
	const struct finding *f = &r->finding;
	const struct trust_state *older = f->against ? f->against : &r->trusted;
	const struct trust_state *newer = f->instead ? f->instead : &r->seen;
	struct peer_contradiction c = {.link = f->link};
	struct peer_proof *proof = NULL;

	if (f->verdict != AUDIT_FORKED || !f->link || !f->link->tx || !older->signature_len ||
	    !newer->signature_len || older->point.id >= newer->point.id || r->env->keys_len == 0)
		return NULL;
	peer_state_of(r, older, &c.older);
	peer_state_of(r, newer, &c.newer);
	if (peer_proof_make(&c, &proof) != IM_OK)
		log_warn("db: %s: peers are not shown the contradiction: %s", r->database,
		    err_detail(IM_ERR_LIMIT));
	return proof;
}

/* Keeps what peers are shown, until a round ends well; under the report's lock. */
static void
keep_proof(const struct round *r, struct round_memory *memory, struct peer_proof *proof)
{
	if (!proof && !is_good(r))
		return;
	free(memory->proof);
	memory->proof = proof;
}

static void
report_round(const struct round *r, const struct round_ending *ending)
{
	struct peer_proof *proof = make_proof(r);
	struct report *report = r->env->options->report;
	struct report_round row = {.at = r->started_at,
	    .seconds = r->ended_at - r->started_at,
	    .verdict = r->finding.verdict,
	    .tx = r->seen.point.id,
	    .sampled = r->sampled};
	struct report_database *d;

	report_lock(report);
	d = report_database(report, r->database);
	if (d) {
		report_add_round(d, &row);
		d->checks += r->checks;
		d->swept += r->swept;
		if (r->has_trusted)
			d->previous = shown_state(&r->trusted, true);
		if (r->has_seen)
			d->current = shown_state(&r->seen, true);
		show_finding(d, r, ending->evidence);
		round_show_record(d, &r->record);
	}
	/*
	 * A state that only contradicts a peer is proven all the same, and the peer wants to know.
	 */
	if (is_good(r) || (r->finding.against && r->seen_header.id > 0)) {
		ending->memory->verified = r->seen;
		ending->memory->verified_at = (int64_t)r->ended_at;
	}
	keep_proof(r, ending->memory, proof);
	report_unlock(report);
}

/* An error of our own files takes the place of a good verdict. */
static void
note_own_error(struct round *r, enum im_err err)
{
	if (!err)
		return;
	log_error("db: %s: %s", r->database, err_detail(err));
	if (!is_good(r))
		return;
	r->finding.verdict = AUDIT_ERROR;
	snprintf(r->finding.reason, sizeof r->finding.reason, "%s", err_detail(err));
}

void
round_end(struct round *r, struct round_ending *ending)
{
	struct round_memory *memory = ending->memory;
	struct record_change change = {.r = r, .evidence = ending->evidence};
	uint32_t bit = verdict_bit(r->finding.verdict);
	bool is_new;
	enum im_err err;

	if (r->has_record)
		memory->alerted =
		    r->record.has_alarm ? memory->alerted | verdict_bit(r->record.verdict) : 0;
	is_new = is_tamper(r) && !(memory->alerted & bit);
	if (is_new && !ending->is_quiet) {
		err = write_evidence(r, ending->other_server_id, ending->evidence);
		if (err)
			log_error("no evidence was written: %s", err_detail(err));
	}
	if (is_good(r))
		note_own_error(r, move_trust(r));
	if (r->has_record)
		note_own_error(r, update_record(r, &change));
	if (is_new) {
		memory->alerted |= bit;
		if (!ending->is_quiet)
			send_alert(r, ending->evidence);
	} else if (r->finding.verdict == AUDIT_OK) {
		send_alert(r, "");
	}
	log_round(r, ending->evidence, is_new);
	report_round(r, ending);
}
