/*
 * The redis protocol for the load generator: SET and GET with binary keys and values, MSET for
 * several entries; ZADD, DEL and ZRANGEBYSCORE; and SETs between MULTI and EXEC.
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

/* The beginning of a command with so many parts, its name included. */
static void
put_command(struct buf *b, const char *name, uint64_t parts)
{
	buf_printf(b, "*%" PRIu64 "\r\n", parts);
	put_bulk(b, name, strlen(name));
}

static void
put_number(struct buf *b, uint64_t number)
{
	char text[24];
	int len = snprintf(text, sizeof text, "%" PRIu64, number);

	put_bulk(b, text, (size_t)len);
}

static void
put_next_key(struct load *l, struct buf *b)
{
	uint8_t key[BENCH_KEY_BYTES];

	load_key_make(l, l->next_key++, key);
	put_bulk(b, key, sizeof key);
}

static void
put_sets(struct load *l, struct buf *b)
{
	const struct load_options *o = &l->options;

	put_command(b, o->entries == 1 ? "SET" : "MSET", 1 + 2 * o->entries);
	for (uint64_t i = 0; i < o->entries; i++) {
		put_next_key(l, b);
		put_bulk(b, l->value, o->value_bytes);
	}
}

static void
put_transaction(struct load *l, struct buf *b)
{
	put_command(b, "MULTI", 1);
	for (uint64_t i = 0; i < l->options.entries; i++) {
		put_command(b, "SET", 3);
		put_next_key(l, b);
		put_bulk(b, l->value, l->options.value_bytes);
	}
	put_command(b, "EXEC", 1);
}

static void
put_zadd(struct load *l, struct buf *b)
{
	put_command(b, "ZADD", 4);
	put_bulk(b, "set", 3);
	put_number(b, bench_random(&l->random) % LOAD_SCORES);
	put_next_key(l, b);
}

/* From a random score in the lower half on, as the same request of the other wire. */
static void
put_zrange(struct load *l, struct buf *b)
{
	put_command(b, "ZRANGEBYSCORE", 8);
	put_bulk(b, "set", 3);
	put_number(b, bench_random(&l->random) % LOAD_SCORES / 2);
	put_bulk(b, "+inf", 4);
	put_bulk(b, "WITHSCORES", 10);
	put_bulk(b, "LIMIT", 5);
	put_number(b, 0);
	put_number(b, l->options.entries);
}

static void
redis_request(struct load *l, struct load_conn *c)
{
	uint8_t key[BENCH_KEY_BYTES];

	switch (l->options.op) {
	case LOAD_GET:
		put_command(&c->out, "GET", 2);
		load_key_pick(l, key);
		put_bulk(&c->out, key, sizeof key);
		break;
	case LOAD_ZADD:
		put_zadd(l, &c->out);
		break;
	case LOAD_ZSCAN:
		put_zrange(l, &c->out);
		break;
	case LOAD_DELETE:
		put_command(&c->out, "DEL", 2);
		put_next_key(l, &c->out);
		break;
	case LOAD_EXEC:
		put_transaction(l, &c->out);
		break;
	default:
		put_sets(l, &c->out);
	}
}

/* The number in a line after its first byte. */
static size_t
line_number(const uint8_t *line)
{
	size_t number = 0;

	for (size_t i = 1; line[i] >= '0' && line[i] <= '9'; i++)
		number = number * 10 + (size_t)(line[i] - '0');
	return number;
}

/* Bytes of the answer at the start of in, which is no list; 0 when it is not complete. */
static size_t
item_size(struct bytes in)
{
	const uint8_t *end = in.len ? memchr(in.data, '\n', in.len) : NULL;
	size_t line;

	if (!end)
		return 0;
	line = (size_t)(end + 1 - in.data);
	if (in.data[0] == '+' || in.data[0] == ':' || in.data[0] == '*')
		return line;
	if (in.data[0] != '$' || in.data[1] == '-')
		load_refused("redis", bytes_of(in.data, line - 1));
	line += line_number(in.data) + 2;
	return line <= in.len ? line : 0;
}

/* Likewise of a list, or of what is none. No list here has another in it. */
static size_t
answer_size(struct bytes in)
{
	size_t used = item_size(in), size;

	if (used == 0 || in.data[0] != '*')
		return used;
	for (size_t left = line_number(in.data); left > 0; left--) {
		size = item_size(bytes_of(in.data + used, in.len - used));
		if (size == 0)
			return 0;
		used += size;
	}
	return used;
}

/* A transaction is answered when its list comes; what is said before that does not count. */
static size_t
redis_answers(struct load *l, struct bytes in, uint64_t *count)
{
	size_t used = 0, size;

	while ((size = answer_size(bytes_of(in.data + used, in.len - used))) > 0) {
		*count += l->options.op != LOAD_EXEC || in.data[used] == '*';
		used += size;
	}
	return used;
}

const struct load_wire load_wire_redis = {
    .name = "redis",
    .request = redis_request,
    .answers = redis_answers,
};
