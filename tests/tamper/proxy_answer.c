/*
 * Rules at work on answers: unpack, alter (proxy_change.c), sign, pack. proxy_link.c has the frames
 * around it.
 *
 * Invariant: an answer that no rule alters keeps its bytes as the server sent them.
 */
#include "proxy_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/decode.h"
#include "util/keyfile.h"

/* A test that cannot be done as written must not look like success. */
static void
answer_die(const char *why)
{
	fprintf(stderr, "tamper_proxy: %s\n", why);
	exit(2);
}

static void
buf_copy(struct buf *to, const struct buf *from)
{
	buf_clear(to);
	buf_append(to, from->data, from->len);
}

/* ---- States that were seen. ---- */

static struct seen_state *
state_find(struct tamper *t, const char *database)
{
	struct seen_state *s;
	size_t i;

	for (i = 0; i < t->states_len; i++)
		if (strcmp(t->states[i].database, database) == 0)
			return &t->states[i];
	if (t->states_len == STATES_MAX)
		answer_die("too many databases");
	s = &t->states[t->states_len++];
	snprintf(s->database, sizeof s->database, "%s", database);
	buf_init(&s->latest, BODY_MAX);
	buf_init(&s->kept, BODY_MAX);
	return s;
}

static void
state_see(struct tamper *t, const struct buf *body)
{
	Immudb__Schema__ImmutableState *m =
	    immudb__schema__immutable_state__unpack(NULL, body->len, body->data);

	if (m)
		buf_copy(&state_find(t, m->db)->latest, body);
	immudb__schema__immutable_state__free_unpacked(m, NULL);
}

void
tamper_remember(struct tamper *t)
{
	size_t i;

	for (i = 0; i < t->states_len; i++)
		buf_copy(&t->states[i].kept, &t->states[i].latest);
}

/* Puts a remembered state in the place of the answer. */
static bool
state_show(struct tamper *t, const char *database, struct buf *body)
{
	const struct seen_state *s = state_find(t, database);

	if (s->kept.len == 0)
		answer_die("no state of that database is remembered");
	buf_copy(body, &s->kept);
	return true;
}

static bool
state_show_stale(struct tamper *t, struct buf *body)
{
	Immudb__Schema__ImmutableState *m =
	    immudb__schema__immutable_state__unpack(NULL, body->len, body->data);
	bool shown = m && state_show(t, m->db, body);

	immudb__schema__immutable_state__free_unpacked(m, NULL);
	return shown;
}

/* ---- Fields that were seen. ---- */

struct field_note {
	struct tamper *tamper;
	const struct rpc_method *method;
};

static void
field_see(void *arg, const char *field)
{
	struct field_note *note = arg;
	struct tamper *t = note->tamper;
	char text[4 * CHANGE_TEXT_MAX];
	size_t i;

	snprintf(text, sizeof text, "%s %s", note->method->name, field);
	for (i = 0; i < t->fields_len; i++)
		if (strcmp(t->fields[i], text) == 0)
			return;
	if (t->fields_len == FIELDS_MAX)
		answer_die("too many fields");
	t->fields[t->fields_len] = strdup(text);
	if (!t->fields[t->fields_len++])
		answer_die("no memory");
}

static void
fields_see(struct tamper *t, const struct answer *a)
{
	ProtobufCMessage *m =
	    protobuf_c_message_unpack(a->method->answer, NULL, a->body.len, a->body.data);

	if (m)
		change_each_field(m, field_see, &(struct field_note){t, a->method});
	protobuf_c_message_free_unpacked(m, NULL);
}

/* ---- Signing. ---- */

/* Puts the signature of a state by that key into *m, making it if it is missing. */
static void
sign_put(const char *key_file, const struct sign_state *state, Immudb__Schema__Signature **m)
{
	struct sign_private_key *key;
	uint8_t der[SIGN_DER_MAX], point[SIGN_POINT_SIZE];
	Immudb__Schema__Signature made = IMMUDB__SCHEMA__SIGNATURE__INIT;
	uint8_t packed[SIGN_DER_MAX + SIGN_POINT_SIZE + 16];
	bool world_readable;
	size_t len, packed_len;

	if (keyfile_load_private(key_file, &world_readable, &key) != IM_OK ||
	    sign_make(key, state, der, &len) != IM_OK)
		answer_die("cannot sign");
	sign_private_key_point(key, point);
	sign_private_key_free(key);
	made.publickey = (ProtobufCBinaryData){.data = point, .len = sizeof point};
	made.signature = (ProtobufCBinaryData){.data = der, .len = len};
	packed_len = immudb__schema__signature__pack(&made, packed);
	immudb__schema__signature__free_unpacked(*m, NULL);
	*m = immudb__schema__signature__unpack(NULL, packed_len, packed);
}

static bool
sign_state_answer(const struct rule *r, Immudb__Schema__ImmutableState *m)
{
	struct sign_state state = {.database = bytes_str(m->db), .tx_id = m->txid};

	if (m->txhash.len != HASH_SIZE)
		return false;
	memcpy(state.tx_hash.b, m->txhash.data, HASH_SIZE);
	sign_put(r->text, &state, &m->signature);
	return true;
}

/* The signature of a proof is that of its newer transaction. */
static bool
sign_proof_answer(const struct rule *r, Immudb__Schema__VerifiableTx *m)
{
	struct sign_state state = {.database = bytes_str(r->more)};
	struct tx_header header;

	if (!m || !m->dualproof || decode_header(m->dualproof->targettxheader, &header) != IM_OK)
		return false;
	state.tx_id = header.id;
	tx_header_alh(&header, &state.tx_hash);
	sign_put(r->text, &state, &m->signature);
	return true;
}

static bool
sign_answer(const struct rule *r, ProtobufCMessage *m)
{
	const char *type = m->descriptor->short_name;

	if (strcmp(type, "ImmutableState") == 0)
		return sign_state_answer(r, (Immudb__Schema__ImmutableState *)m);
	if (strcmp(type, "VerifiableTx") == 0)
		return sign_proof_answer(r, (Immudb__Schema__VerifiableTx *)m);
	if (strcmp(type, "VerifiableEntry") == 0)
		return sign_proof_answer(r, ((Immudb__Schema__VerifiableEntry *)m)->verifiabletx);
	return false;
}

/* ---- The rules. ---- */

/* A rule that alters what is in the message; whether anything is not what it was. */
static bool
answer_rewrite(const struct rule *r, struct answer *a)
{
	const ProtobufCMessageDescriptor *type = a->method->answer;
	ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, a->body.len, a->body.data);
	bool altered;
	uint8_t *to;

	if (!m)
		answer_die("an answer that does not parse");
	altered = r->kind == RULE_CHANGE ? change_apply(&r->change, m) > 0 : sign_answer(r, m);
	if (altered) {
		buf_clear(&a->body);
		to = buf_reserve(&a->body, protobuf_c_message_get_packed_size(m) + 1);
		if (!to)
			answer_die("no memory");
		a->body.len = protobuf_c_message_pack(m, to);
	}
	protobuf_c_message_free_unpacked(m, NULL);
	return altered;
}

/* Text in which _ stands for a blank. */
static void
answer_text(const char *word, char to[RULE_TEXT_MAX])
{
	size_t i;

	snprintf(to, RULE_TEXT_MAX, "%s", word);
	for (i = 0; to[i]; i++)
		if (to[i] == '_')
			to[i] = ' ';
}

static bool
answer_act(struct tamper *t, const struct rule *r, struct answer *a)
{
	bool is_state = a->method->id == RPC_METHOD_CurrentState;

	switch (r->action) {
	case RULE_SIGN:
		return answer_rewrite(r, a);
	case RULE_STALE:
		return is_state && state_show_stale(t, &a->body);
	case RULE_OTHER:
		return is_state && state_show(t, r->text, &a->body);
	case RULE_SLOW:
		a->delay_ms += (unsigned int)r->number;
		return true;
	case RULE_STATUS:
		a->fate = ANSWER_ERROR;
		a->status = (uint16_t)r->number;
		answer_text(r->more, a->text);
		return true;
	case RULE_HANG:
		a->fate = ANSWER_HANG;
		return true;
	case RULE_GARBAGE:
		a->fate = ANSWER_GARBAGE;
		return true;
	case RULE_HALF:
		a->fate = ANSWER_HALF;
		return true;
	case RULE_CLOSE:
		a->fate = ANSWER_CLOSE;
		return true;
	case RULE_RESET:
		a->fate = ANSWER_RESET;
		return true;
	}
	return false;
}

void
tamper_answer(struct tamper *t, struct answer *a)
{
	bool altered, any = false;
	size_t i;

	fields_see(t, a);
	if (a->method->id == RPC_METHOD_CurrentState)
		state_see(t, &a->body);
	for (i = 0; i < t->rules_len; i++) {
		struct rule *r = &t->rules[i];

		if (!rule_takes(r, a->method))
			continue;
		altered = r->kind == RULE_CHANGE ? answer_rewrite(r, a) : answer_act(t, r, a);
		r->hits += altered;
		any |= altered;
	}
	t->hits += any;
}

const char *
tamper_hello(struct tamper *t)
{
	size_t i;

	for (i = 0; i < t->rules_len; i++)
		if (t->rules[i].kind == RULE_HELLO) {
			t->hits++;
			return t->rules[i].text;
		}
	return NULL;
}

void
tamper_clear(struct tamper *t)
{
	t->rules_len = 0;
	t->hits = 0;
}

void
tamper_forget_fields(struct tamper *t)
{
	while (t->fields_len > 0)
		free(t->fields[--t->fields_len]);
}

void
tamper_free(struct tamper *t)
{
	size_t i;

	for (i = 0; i < t->states_len; i++) {
		buf_free(&t->states[i].latest);
		buf_free(&t->states[i].kept);
	}
	tamper_forget_fields(t);
}
