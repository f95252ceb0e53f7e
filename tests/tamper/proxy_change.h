#ifndef TAMPER_PROXY_CHANGE_H
#define TAMPER_PROXY_CHANGE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#define CHANGE_TEXT_MAX 128

/*
 * Altering one field of a message by its name. PATH is a message type, then fields: "TxHeader.eH"
 * is that field of every TxHeader wherever in the answer, "DualProof.targetTxHeader.eH" only the
 * target's. All fields but the last are messages and not lists.
 *
 *	OP		of
 *	flip		bytes: the lowest bit of the last byte; a list of bytes: in its first one
 *	set ARG		a number, or a text
 *	add ARG		a number, which may be negative
 *	short, long	bytes: without the last byte, with one more
 *	clear		anything: as if it had never been there
 *	cut, pad, swap	a list: without its last element, with one more like it, the first two exchanged
 *	flood		a list of bytes: with very many empty elements behind those it has
 *	drop ARG	a list of messages: without those whose first text field is ARG
 *
 * With a transaction, only what belongs to it: a TxHeader of that id, a Tx and an Entry and what is
 * in them, an ImmutableState.
 */
enum change_op {
	CHANGE_FLIP,
	CHANGE_SET,
	CHANGE_ADD,
	CHANGE_SHORT,
	CHANGE_LONG,
	CHANGE_CLEAR,
	CHANGE_CUT,
	CHANGE_PAD,
	CHANGE_SWAP,
	CHANGE_FLOOD,
	CHANGE_DROP
};

struct change {
	char path[CHANGE_TEXT_MAX];
	enum change_op op;
	char arg[CHANGE_TEXT_MAX];
	uint64_t tx; /* 0: any */
};

/* The operation of that name; false when there is none. */
bool change_op_find(const char *name, enum change_op *out);

/* Whether the operation has an argument. */
bool change_op_has_arg(enum change_op op);

/*
 * Names every field that a message and those in it have, as a path of two parts and an operation
 * that alters it: "TxHeader.eH flip". The text is valid during the call.
 */
typedef void change_field_fn(void *arg, const char *field);
void change_each_field(ProtobufCMessage *m, change_field_fn *fn, void *arg);

/*
 * Alters a message that protobuf-c has unpacked with its own memory. The number of fields that are
 * not what they were. Ends the program when the path or the argument does not fit the message's
 * type.
 */
unsigned change_apply(const struct change *c, ProtobufCMessage *m);

#endif
