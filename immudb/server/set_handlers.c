/*
 * Writing keys with values, and deleting them: Set, VerifiableSet, Delete. writing.c queues and
 * answers, operations.c makes the entries.
 */
#include "server/entries.h"
#include "server/writing.h"

static enum im_err
set_make(struct call *c, const Immudb__Schema__SetRequest *in, struct writing *w)
{
	struct writing_size size = {in->n_kvs, 0, in->n_preconditions};
	enum im_err err = writing_begin(c, size, w);

	for (size_t i = 0; i < in->n_kvs && err == IM_OK; i++)
		err = writing_add_kv(w, in->kvs[i]);
	if (err == IM_OK)
		err = writing_add_preconditions(w, in->n_preconditions, in->preconditions);
	return err;
}

enum im_err
handle_Set(struct call *c)
{
	struct writing w;
	enum im_err err = set_make(c, (const void *)c->in, &w);

	return err == IM_OK ? writing_answer_header(&w) : err;
}

enum im_err
handle_VerifiableSet(struct call *c)
{
	const Immudb__Schema__VerifiableSetRequest *in = (const void *)c->in;
	struct writing w;
	enum im_err err;

	if (writing_is_done(c, &err))
		return err;
	if (!in->setrequest)
		return IM_ERR_ARGUMENT;
	err = writing_since(c, in->provesincetx);
	if (err == IM_OK)
		err = set_make(c, in->setrequest, &w);
	return err == IM_OK ? writing_answer_proof(&w) : err;
}

enum im_err
handle_Delete(struct call *c)
{
	const Immudb__Schema__DeleteKeysRequest *in = (const void *)c->in;
	struct writing_size size = {in->n_keys, WRITING_CONDITIONS_DELETION * in->n_keys, 0};
	struct writing w;
	uint64_t newest;
	enum im_err err = entries_since(c, in->sincetx, &newest);

	if (err == IM_OK)
		err = writing_begin(c, size, &w);
	for (size_t i = 0; i < in->n_keys && err == IM_OK; i++)
		err = writing_add_deletion(&w, message_bytes(in->keys[i]));
	return err == IM_OK ? writing_answer_header(&w) : err;
}
