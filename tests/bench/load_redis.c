/*
 * The redis protocol for the load generator: SET and GET with binary keys and values, and MSET for
 * several entries.
 */
#include <inttypes.h>
#include <stdio.h>

#include "load.h"

static void
put_bulk(struct buf *b, const void *data, size_t len)
{
	buf_printf(b, "$%zu\r\n", len);
	buf_append(b, data, len);
	buf_append(b, "\r\n", 2);
}

static void
redis_request(struct load *l, struct load_conn *c)
{
	const struct load_options *o = &l->options;
	uint8_t key[BENCH_KEY_BYTES];

	if (o->op == LOAD_GET) {
		buf_append_str(&c->out, "*2\r\n$3\r\nGET\r\n");
		load_key_pick(l, key);
		put_bulk(&c->out, key, sizeof key);
		return;
	}
	buf_printf(&c->out, "*%" PRIu64 "\r\n", 1 + 2 * o->entries);
	buf_append_str(&c->out, o->entries == 1 ? "$3\r\nSET\r\n" : "$4\r\nMSET\r\n");
	for (uint64_t i = 0; i < o->entries; i++) {
		load_key_make(l, l->next_key++, key);
		put_bulk(&c->out, key, sizeof key);
		put_bulk(&c->out, l->value, o->value_bytes);
	}
}

/* Bytes of the answer at the start of in; 0 when it is not complete. */
static size_t
redis_answer_size(struct bytes in)
{
	const uint8_t *end = in.len ? memchr(in.data, '\n', in.len) : NULL;
	size_t line, bulk = 0;

	if (!end)
		return 0;
	line = (size_t)(end + 1 - in.data);
	if (in.data[0] == '+' || in.data[0] == ':')
		return line;
	if (in.data[0] != '$' || in.data[1] == '-')
		load_refused("redis", bytes_of(in.data, line - 1));
	for (size_t i = 1; in.data[i] >= '0' && in.data[i] <= '9'; i++)
		bulk = bulk * 10 + (size_t)(in.data[i] - '0');
	bulk += line + 2;
	return bulk <= in.len ? bulk : 0;
}

static size_t
redis_answers(struct load *l, struct bytes in, uint64_t *count)
{
	size_t used = 0, size;

	(void)l;
	while ((size = redis_answer_size(bytes_of(in.data + used, in.len - used))) > 0) {
		used += size;
		++*count;
	}
	return used;
}

const struct load_wire load_wire_redis = {
    .name = "redis",
    .request = redis_request,
    .answers = redis_answers,
};
