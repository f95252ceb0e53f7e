/*
 * Both ends as pumps in memory: every split of the bytes, every way of being wrong, every early
 * end.
 */
#include "libproto/tls/certs.h"

#include "temp_dir.h"

#include <string.h>

#include "tls/tls.h"

#define PLAIN_MAX ((size_t)1 << 20)

static const char *dir;
static struct tls_context *server_plain, *server_mutual, *client_plain, *client_own;

/* Two ends; what one says waits until it is carried to the other. */
struct pair {
	struct tls_conn *ends[2]; /* the client, the server */
	struct buf got[2];        /* plaintext that has come out of each */
	enum im_err errs[2];
	char said[2][256];
	size_t step; /* bytes carried at a time */
	size_t cap;  /* plaintext taken at a time */
};

static const char *
path_of(const char *file)
{
	static char paths[4][TEMP_DIR_MAX + 32];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", dir, file);
	return path;
}

static struct tls_context *
context(enum tls_side side, const char *own, const char *authorities)
{
	char certificate[64], key[64];
	struct tls_files files = {
	    .side = side, .authorities = authorities ? path_of(authorities) : NULL};
	struct tls_context *c;

	if (own) {
		snprintf(certificate, sizeof certificate, "%s.pem", own);
		snprintf(key, sizeof key, "%s.key", own);
		files.certificate = path_of(certificate);
		files.key = path_of(key);
	}
	assert_int_equal(tls_context_new(&files, &c), IM_OK);
	return c;
}

static int
setup(void **state)
{
	const struct cert_spec ca = {.name = "ca", .is_authority = true};
	const struct cert_spec server = {
	    .name = "server", .names = "DNS:db.example,IP:127.0.0.1", .signed_by = "ca"};
	const struct cert_spec alice = {.name = "alice", .names = "DNS:bob", .signed_by = "ca"};

	temp_dir_setup(state);
	dir = (const char *)*state;
	cert_make(dir, "ca", &ca);
	cert_make(dir, "other", &(struct cert_spec){.name = "other", .is_authority = true});
	/* Of the name that is trusted, with another key. */
	cert_make(dir, "forger", &ca);
	cert_make(dir, "server", &server);
	cert_make(dir, "alice", &alice);
	server_plain = context(TLS_SERVER, "server", NULL);
	server_mutual = context(TLS_SERVER, "server", "ca.pem");
	client_plain = context(TLS_CLIENT, NULL, "ca.pem");
	client_own = context(TLS_CLIENT, "alice", "ca.pem");
	return 0;
}

static int
teardown(void **state)
{
	tls_context_free(server_plain);
	tls_context_free(server_mutual);
	tls_context_free(client_plain);
	tls_context_free(client_own);
	return temp_dir_teardown(state);
}

static void
pair_open(struct pair *p, struct tls_context *client, struct tls_context *server, const char *name)
{
	*p = (struct pair){.step = SIZE_MAX, .cap = 4096};
	assert_int_equal(tls_conn_new(client, name, &p->ends[0]), IM_OK);
	assert_int_equal(tls_conn_new(server, NULL, &p->ends[1]), IM_OK);
	for (int i = 0; i < 2; i++) {
		buf_init(&p->got[i], PLAIN_MAX);
		assert_int_equal(tls_conn_start(p->ends[i]), IM_OK);
	}
}

static void
pair_close(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		tls_conn_free(p->ends[i]);
		buf_free(&p->got[i]);
	}
}

/* Bytes for one end, through its receive() until all are taken. */
static void
pair_feed(struct pair *p, int to, struct bytes in)
{
	uint8_t plain[4096];
	size_t n, had;

	while (p->errs[to] == IM_OK) {
		had = in.len;
		p->errs[to] = tls_conn_receive(p->ends[to], &in, plain, p->cap, &n);
		assert_true(n <= p->cap);
		buf_append(&p->got[to], plain, n);
		if (p->errs[to] != IM_OK)
			snprintf(p->said[to], sizeof p->said[to], "%s", err_detail(p->errs[to]));
		else if (n == 0 && (in.len == 0 || tls_conn_is_closed(p->ends[to])))
			break;
		assert_true(p->errs[to] != IM_OK || n > 0 || in.len < had);
	}
}

/* Carries what one end has to say to the other one, in steps; false when that is nothing. */
static bool
pair_carry(struct pair *p, int from)
{
	struct buf taken = *tls_conn_output(p->ends[from]);
	bool any = taken.len > 0;

	buf_init(tls_conn_output(p->ends[from]), taken.max);
	for (size_t at = 0; at < taken.len;
	     at += p->step < taken.len - at ? p->step : taken.len - at)
		pair_feed(p, !from,
		    bytes_of(taken.data + at, p->step < taken.len - at ? p->step : taken.len - at));
	buf_free(&taken);
	return any;
}

static void
pair_settle(struct pair *p)
{
	bool first, second;

	do {
		first = pair_carry(p, 0);
		second = pair_carry(p, 1);
	} while (first || second);
}

static bool
pair_is_up(const struct pair *p)
{
	return tls_conn_is_established(p->ends[0]) && tls_conn_is_established(p->ends[1]);
}

/* Says something both ways, and looks at what arrives. */
static void
pair_talk(struct pair *p, size_t len)
{
	uint8_t *text = (uint8_t *)malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = (uint8_t)(i * 7 + len);
	for (int from = 0; from < 2; from++) {
		buf_clear(&p->got[!from]);
		assert_int_equal(tls_conn_send(p->ends[from], bytes_of(text, len)), IM_OK);
		pair_settle(p);
		assert_int_equal(p->got[!from].len, len);
		assert_memory_equal(p->got[!from].data, text, len);
		assert_false(tls_conn_is_mid_record(p->ends[!from]));
		assert_false(tls_conn_has_plaintext(p->ends[!from]));
	}
	free(text);
}

static void
talk(void **state)
{
	static const size_t lens[] = {1, 100, 16384, 16385, 300000};
	struct pair p;

	(void)state;
	pair_open(&p, client_plain, server_plain, "db.example");
	assert_int_equal(tls_conn_send(p.ends[0], bytes_str("early")), IM_ERR_TLS);
	pair_settle(&p);
	assert_true(pair_is_up(&p));
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++)
		pair_talk(&p, lens[i]);
	pair_close(&p);
}

static void
every_split(void **state)
{
	static const size_t caps[] = {1, 7, 4096};
	struct pair p;

	(void)state;
	for (size_t step = 1; step < 40; step += step < 8 ? 1 : 9)
		for (size_t i = 0; i < sizeof caps / sizeof *caps; i++) {
			pair_open(&p, client_own, server_mutual, "127.0.0.1");
			p.step = step;
			p.cap = caps[i];
			pair_settle(&p);
			assert_true(pair_is_up(&p));
			pair_talk(&p, 700);
			pair_close(&p);
		}
}

/* A client and a server that do not come together, and what each of them says of it. */
static void
expect_failure(struct pair *p, const char *client_says, const char *server_says)
{
	pair_settle(p);
	for (int i = 0; i < 2; i++) {
		const char *wanted = i == 0 ? client_says : server_says;

		assert_int_equal(p->errs[i], IM_ERR_TLS);
		if (!strstr(p->said[i], wanted))
			fail_msg("\"%s\" does not say \"%s\"", p->said[i], wanted);
		assert_int_equal(tls_conn_send(p->ends[i], bytes_str("x")), IM_ERR_TLS);
	}
	assert_int_equal(p->got[0].len, 0);
	assert_int_equal(p->got[1].len, 0);
	pair_close(p);
}

static void
wrong_certificates(void **state)
{
	static const struct cert_spec late = {
	    .name = "late", .signed_by = "ca", .from_days = -20, .to_days = 1};
	struct tls_context *stranger, *distrusting, *forged;
	struct pair p;

	(void)state;
	cert_make(dir, "stranger", &(struct cert_spec){.name = "alice", .signed_by = "other"});
	cert_make(dir, "late", &late);
	cert_make(dir, "forged", &(struct cert_spec){.name = "alice", .signed_by = "forger"});
	forged = context(TLS_CLIENT, "forged", "ca.pem");
	stranger = context(TLS_CLIENT, "stranger", "ca.pem");
	distrusting = context(TLS_CLIENT, NULL, "other.pem");
	pair_open(&p, client_plain, server_plain, "localhost");
	expect_failure(&p, "not for the name localhost", "refuses our certificate");
	pair_open(&p, client_plain, server_plain, "127.0.0.2");
	expect_failure(&p, "not for the name 127.0.0.2", "refuses our certificate");
	pair_open(&p, distrusting, server_plain, "db.example");
	expect_failure(&p, "not signed by an authority that is trusted here", "does not trust");
	pair_open(&p, stranger, server_mutual, "db.example");
	expect_failure(&p, "does not trust", "not signed by an authority that is trusted here");
	pair_open(&p, forged, server_mutual, "db.example");
	expect_failure(
	    &p, "refuses our certificate", "not signed by an authority that is trusted here");
	pair_open(&p, client_plain, server_mutual, "db.example");
	expect_failure(&p, "asks for a client certificate", "shown no certificate");
	tls_context_free(forged);
	tls_context_free(stranger);
	tls_context_free(distrusting);
}

static void
names_of_peers(void **state)
{
	static const struct {
		struct cert_spec spec;
		const char *cn, *san;
	} cases[] = {{{.name = "alice", .names = "DNS:bob"}, "alice", "bob"},
	    {{.name = "alice"}, "alice", NULL}, {{.names = "DNS:bob,IP:127.0.0.1"}, NULL, "bob"},
	    {{.name = "with space", .names = "DNS:a,DNS:b"}, NULL, NULL},
	    {{.name = "\xc3\xa4", .names = "email:bob@example.com"}, NULL, NULL}};
	char name[TLS_NAME_SIZE];
	struct pair p;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cert_spec spec = cases[i].spec;
		struct tls_context *c;

		spec.signed_by = "ca";
		cert_make(dir, "named", &spec);
		c = context(TLS_CLIENT, "named", "ca.pem");
		pair_open(&p, c, server_mutual, NULL);
		assert_false(tls_conn_peer_name(p.ends[1], TLS_NAME_CN, name));
		pair_settle(&p);
		assert_true(pair_is_up(&p));
		assert_int_equal(
		    tls_conn_peer_name(p.ends[1], TLS_NAME_CN, name), cases[i].cn != NULL);
		assert_string_equal(name, cases[i].cn ? cases[i].cn : "");
		assert_int_equal(
		    tls_conn_peer_name(p.ends[1], TLS_NAME_SAN, name), cases[i].san != NULL);
		assert_string_equal(name, cases[i].san ? cases[i].san : "");
		pair_close(&p);
		tls_context_free(c);
	}
	pair_open(&p, client_own, server_plain, "db.example");
	pair_settle(&p);
	assert_false(tls_conn_peer_name(p.ends[1], TLS_NAME_CN, name));
	pair_close(&p);
}

/* Each single byte of a record, and of the handshake's first words, altered. */
static void
altered_records(void **state)
{
	struct pair p;
	struct buf *out;
	size_t len;

	(void)state;
	for (size_t at = 0, n = 1; at < n; at++) {
		pair_open(&p, client_plain, server_plain, "db.example");
		pair_settle(&p);
		assert_int_equal(tls_conn_send(p.ends[0], bytes_str("to be altered")), IM_OK);
		out = tls_conn_output(p.ends[0]);
		n = out->len;
		out->data[at] ^= 0x11;
		pair_carry(&p, 0);
		/* A longer record is not refused but never complete. */
		assert_true(p.errs[1] == IM_ERR_TLS || tls_conn_is_mid_record(p.ends[1]));
		assert_int_equal(p.got[1].len, 0);
		if (p.errs[1] == IM_OK)
			assert_int_equal(tls_conn_end(p.ends[1]), IM_ERR_TLS);
		pair_close(&p);
	}
	pair_open(&p, client_plain, server_plain, "db.example");
	len = tls_conn_output(p.ends[0])->len;
	pair_close(&p);
	for (size_t at = 0; at < len; at += 3) {
		pair_open(&p, client_plain, server_plain, "db.example");
		tls_conn_output(p.ends[0])->data[at] ^= 0x40;
		pair_settle(&p);
		assert_false(pair_is_up(&p));
		pair_close(&p);
	}
}

/* A record that is sent a second time is no record. */
static void
replayed_record(void **state)
{
	struct pair p;
	struct buf *out;

	(void)state;
	pair_open(&p, client_plain, server_plain, "db.example");
	pair_settle(&p);
	assert_int_equal(tls_conn_send(p.ends[0], bytes_str("once")), IM_OK);
	out = tls_conn_output(p.ends[0]);
	pair_feed(&p, 1, buf_bytes(out));
	assert_int_equal(p.errs[1], IM_OK);
	pair_feed(&p, 1, buf_bytes(out));
	assert_int_equal(p.errs[1], IM_ERR_TLS);
	assert_int_equal(p.got[1].len, 4);
	pair_close(&p);
}

static void
strangers(void **state)
{
	static const char *const words[] = {"GET / HTTP/1.1\r\n\r\n", "\x01", "SSH-2.0-x\r\n"};
	uint8_t *flood = (uint8_t *)malloc(TLS_HANDSHAKE_MAX * 4);
	struct pair p;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		pair_open(&p, client_plain, server_plain, NULL);
		pair_feed(&p, 1, bytes_str(words[i]));
		assert_int_equal(p.errs[1], IM_ERR_TLS);
		assert_true(tls_conn_is_foreign(p.ends[1]));
		assert_int_equal(tls_conn_output(p.ends[1])->len, 0);
		pair_feed(&p, 0, bytes_str(words[i]));
		assert_true(tls_conn_is_foreign(p.ends[0]));
		pair_close(&p);
	}
	/* One message of the handshake in many records, which never ends. */
	while (n + 16384 + 5 < TLS_HANDSHAKE_MAX * 4) {
		memset(flood + n, 0, 16384 + 5);
		memcpy(flood + n, "\x16\x03\x01\x40\x00", 5);
		if (n == 0)
			memcpy(flood + 5, "\x01\x01\xff\xff\x03\x03", 6);
		n += 16384 + 5;
	}
	pair_open(&p, client_plain, server_plain, NULL);
	pair_feed(&p, 1, bytes_of(flood, n));
	assert_int_equal(p.errs[1], IM_ERR_TLS);
	assert_false(tls_conn_is_foreign(p.ends[1]));
	pair_close(&p);
	free(flood);
}

static void
ends(void **state)
{
	struct pair p;
	struct buf *out;

	(void)state;
	/* During the handshake. */
	pair_open(&p, client_plain, server_plain, "db.example");
	assert_int_equal(tls_conn_end(p.ends[0]), IM_ERR_TLS);
	assert_int_equal(tls_conn_end(p.ends[1]), IM_ERR_TLS);
	tls_conn_close(p.ends[0]);
	pair_close(&p);
	/* In good order; what follows is not looked at, the other direction stays. */
	pair_open(&p, client_plain, server_plain, "db.example");
	pair_settle(&p);
	tls_conn_close(p.ends[0]);
	tls_conn_close(p.ends[0]);
	assert_int_equal(tls_conn_send(p.ends[0], bytes_str("late")), IM_ERR_TLS);
	pair_settle(&p);
	assert_true(tls_conn_is_closed(p.ends[1]));
	assert_int_equal(tls_conn_end(p.ends[1]), IM_OK);
	pair_feed(&p, 1, bytes_str("anything"));
	assert_int_equal(p.errs[1], IM_OK);
	assert_int_equal(tls_conn_send(p.ends[1], bytes_str("answer")), IM_OK);
	pair_settle(&p);
	assert_int_equal(p.got[0].len, 6);
	pair_close(&p);
	/* Between records, which the caller must judge; and inside one, at every byte. */
	for (size_t at = 0, n = 1; at < n; at++) {
		pair_open(&p, client_plain, server_plain, "db.example");
		pair_settle(&p);
		assert_int_equal(tls_conn_send(p.ends[0], bytes_str("cut")), IM_OK);
		out = tls_conn_output(p.ends[0]);
		n = out->len;
		pair_feed(&p, 1, bytes_of(out->data, at));
		assert_int_equal(p.errs[1], IM_OK);
		assert_int_equal(tls_conn_is_mid_record(p.ends[1]), at > 0);
		assert_int_equal(tls_conn_end(p.ends[1]), at > 0 ? IM_ERR_TLS : IM_OK);
		assert_false(tls_conn_is_closed(p.ends[1]));
		pair_close(&p);
	}
}

/* The settings are exchanged while connections of the old ones live on. */
static void
reload_between(void **state)
{
	const struct cert_spec spec = {
	    .name = "turn", .names = "DNS:db.example", .signed_by = "ca"};
	struct tls_context *server;
	struct pair p, q;

	(void)state;
	cert_make(dir, "turn", &spec);
	server = context(TLS_SERVER, "turn", NULL);
	pair_open(&p, client_plain, server, "db.example");
	pair_carry(&p, 0);
	cert_make(dir, "turn", &spec);
	assert_int_equal(tls_context_reload(server), IM_OK);
	pair_open(&q, client_plain, server, "db.example");
	tls_context_free(server);
	pair_settle(&p);
	pair_settle(&q);
	assert_true(pair_is_up(&p) && pair_is_up(&q));
	pair_talk(&p, 10);
	pair_talk(&q, 10);
	pair_close(&p);
	pair_close(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(talk),
	    cmocka_unit_test(every_split),
	    cmocka_unit_test(wrong_certificates),
	    cmocka_unit_test(names_of_peers),
	    cmocka_unit_test(altered_records),
	    cmocka_unit_test(replayed_record),
	    cmocka_unit_test(strangers),
	    cmocka_unit_test(ends),
	    cmocka_unit_test(reload_between),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
