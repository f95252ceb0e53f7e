/*
 * Writing what points to a key: SetReference, VerifiableSetReference, ZAdd, VerifiableZAdd. The
 * rules are in operations.c, and in the conditions of the store.
 */
#include "server/writing.h"

static enum im_err
reference_make(struct call *c, const Immudb__Schema__ReferenceRequest *in, struct writing *w)
{
	struct writing_size size = {1, WRITING_CONDITIONS_REFERENCE, in->n_preconditions};
	enum im_err err = writing_begin(c, size, w);

	return err == IM_OK ? writing_add_reference(w, in) : err;
}

enum im_err
handle_SetReference(struct call *c)
{
	struct writing w;
	enum im_err err = reference_make(c, (const void *)c->in, &w);

	return err == IM_OK ? writing_answer_header(&w) : err;
}

enum im_err
handle_VerifiableSetReference(struct call *c)
{
	const Immudb__Schema__VerifiableReferenceRequest *in = (const void *)c->in;
	struct writing w;
	enum im_err err;

	if (writing_is_done(c, &err))
		return err;
	if (!in->referencerequest)
		return IM_ERR_ARGUMENT;
	err = writing_since(c, in->provesincetx);
	if (err == IM_OK)
		err = reference_make(c, in->referencerequest, &w);
	return err == IM_OK ? writing_answer_proof(&w) : err;
}

static enum im_err
member_make(struct call *c, const Immudb__Schema__ZAddRequest *in, struct writing *w)
{
	struct writing_size size = {1, WRITING_CONDITIONS_MEMBER, 0};
	enum im_err err = writing_begin(c, size, w);

	return err == IM_OK ? writing_add_member(w, in) : err;
}

enum im_err
handle_ZAdd(struct call *c)
{
	struct writing w;
	enum im_err err = member_make(c, (const void *)c->in, &w);

	return err == IM_OK ? writing_answer_header(&w) : err;
}

enum im_err
handle_VerifiableZAdd(struct call *c)
{
	const Immudb__Schema__VerifiableZAddRequest *in = (const void *)c->in;
	struct writing w;
	enum im_err err;

	if (writing_is_done(c, &err))
		return err;
	if (!in->zaddrequest)
		return IM_ERR_ARGUMENT;
	err = writing_since(c, in->provesincetx);
	if (err == IM_OK)
		err = member_make(c, in->zaddrequest, &w);
	return err == IM_OK ? writing_answer_proof(&w) : err;
}
