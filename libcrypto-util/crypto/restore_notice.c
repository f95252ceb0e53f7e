/*
 * Restore notices: their signed bytes, and which states they speak of. sign.c has the signatures;
 * the server makes notices, auditors and readers of evidence check them.
 *
 * Invariant: two different notices have different payloads, as every text in them stands behind its
 * length.
 */
#include "crypto/restore_notice.h"

#define NOTICE_SERVER_ID_MAX 64u
#define NOTICE_PAYLOAD_MAX 4096u

static void
append_text(struct buf *out, struct bytes text)
{
	buf_append_be32(out, (uint32_t)text.len);
	buf_append_bytes(out, text);
}

static void
append_point(struct buf *out, const struct tx_point *point)
{
	buf_append_be64(out, point->id);
	buf_append_bytes(out, hash_bytes(&point->alh));
}

enum im_err
restore_notice_payload(const struct restore_notice *notice, struct buf *out)
{
	if (notice->server_id.len > NOTICE_SERVER_ID_MAX ||
	    notice->database.len > SIGN_DATABASE_MAX ||
	    notice->actor.len > RESTORE_NOTICE_ACTOR_MAX)
		return err_set(IM_ERR_LIMIT, "a name in the restore notice is too long");
	buf_append_str(out, RESTORE_NOTICE_TITLE);
	append_text(out, notice->server_id);
	append_text(out, notice->database);
	append_point(out, &notice->from);
	append_point(out, &notice->to);
	buf_append_be64(out, (uint64_t)notice->at_ms);
	append_text(out, notice->actor);
	return out->err;
}

enum im_err
restore_notice_sign(const struct sign_private_key *key, const struct restore_notice *notice,
    uint8_t der[SIGN_DER_MAX], size_t *len)
{
	struct buf payload;
	enum im_err err;

	buf_init(&payload, NOTICE_PAYLOAD_MAX);
	err = restore_notice_payload(notice, &payload);
	if (err == IM_OK)
		err = sign_make_payload(key, buf_bytes(&payload), der, len);
	buf_free(&payload);
	return err;
}

enum im_err
restore_notice_check(
    const struct sign_public_key *key, const struct restore_notice *notice, struct bytes der)
{
	struct buf payload;
	enum im_err err;

	buf_init(&payload, NOTICE_PAYLOAD_MAX);
	err = restore_notice_payload(notice, &payload);
	if (err == IM_OK)
		err = sign_check_payload(key, buf_bytes(&payload), der);
	buf_free(&payload);
	return err == IM_ERR_LIMIT ? IM_ERR_SIGNATURE : err;
}

bool
restore_notice_covers(const struct restore_notice *notice, const struct tx_point *state)
{
	if (state->id <= notice->to.id)
		return false;
	if (notice->from.id == 0)
		return true;
	return state->id < notice->from.id ||
	    (state->id == notice->from.id && hash_equal(&state->alh, &notice->from.alh));
}
