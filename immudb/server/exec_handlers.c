/*
 * ExecAll: keys, references and members of sorted sets in one transaction, each operation seeing
 * the ones before it. operations.c has the rules.
 */
#include "server/writing.h"

#define CASE(name) IMMUDB__SCHEMA__OP__OPERATION_##name

static enum im_err
exec_add(struct writing *w, const Immudb__Schema__Op *op)
{
	switch (op->operation_case) {
	case CASE(KV):
		return writing_add_kv(w, op->kv);
	case CASE(Z_ADD):
		return writing_add_member(w, op->zadd);
	case CASE(REF):
		return writing_add_reference(w, op->ref);
	default:
		return IM_ERR_OPERATION;
	}
}

static struct writing_size
exec_size(const Immudb__Schema__ExecAllRequest *in)
{
	struct writing_size size = {in->n_operations, 0, in->n_preconditions};

	for (size_t i = 0; i < in->n_operations; i++) {
		const Immudb__Schema__Op *op = in->operations[i];

		if (op->operation_case == CASE(Z_ADD))
			size.conditions += WRITING_CONDITIONS_MEMBER;
		if (op->operation_case != CASE(REF))
			continue;
		size.conditions += WRITING_CONDITIONS_REFERENCE;
		size.preconditions += op->ref->n_preconditions;
	}
	return size;
}

enum im_err
handle_ExecAll(struct call *c)
{
	const Immudb__Schema__ExecAllRequest *in = (const void *)c->in;
	struct writing w;
	enum im_err err = in->n_operations ? writing_begin(c, exec_size(in), &w) : IM_ERR_EMPTY_SET;

	if (err == IM_OK)
		err = writing_share(&w);
	for (size_t i = 0; i < in->n_operations && err == IM_OK; i++)
		err = exec_add(&w, in->operations[i]);
	if (err == IM_OK)
		err = writing_add_preconditions(&w, in->n_preconditions, in->preconditions);
	return err == IM_OK ? writing_answer_header(&w) : err;
}
