/*
 * SHA-256 by the SHA instructions of x86-64 (FIPS 180-4, section 6.2).
 *
 * One compression is a chain of dependent instructions that leaves most of the processor idle, so
 * wherever there are two messages two chains run at once: a struct lane is one message on its way.
 * The instructions keep the eight state words in two registers, as a b e f and c d g h.
 *
 * Invariants of struct lane: data points at left blocks that are still to be compressed; when they
 * are done and tail_blocks is not 0, the padded rest in tail follows.
 */
#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

#include "crypto/hash_impl.h"

#define BLOCK 64u
#define QUADS 16 /* groups of four rounds */
#define SHANI __attribute__((target("sha,sse4.1,ssse3")))
#define SHANI_INLINE __attribute__((target("sha,sse4.1,ssse3"), always_inline)) static inline

struct state {
	__m128i abef;
	__m128i cdgh;
};

struct lane {
	const uint8_t *data;
	size_t left; /* blocks at data */
	size_t tail_blocks;
	uint8_t tail[2 * BLOCK];
	struct hash *out; /* NULL: the lane is idle */
};

static const uint32_t round_constants[4 * QUADS] __attribute__((aligned(16))) = {0x428a2f98,
    0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1,
    0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152,
    0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1,
    0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee,
    0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static bool
shani_usable(void)
{
	unsigned eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_SSSE3) || !(ecx & bit_SSE4_1))
		return false;
	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_SHA);
}

SHANI_INLINE struct state
state_initial(void)
{
	return (struct state){
	    _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c),
	    _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19)};
}

SHANI_INLINE void
state_store(const struct state *st, struct hash *out)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	/* abef and cdgh hold their first letter highest; the digest is a to h. */
	__m128i feba = _mm_shuffle_epi32(st->abef, 0x1b);
	__m128i hgdc = _mm_shuffle_epi32(st->cdgh, 0x1b);
	__m128i abcd = _mm_unpacklo_epi64(feba, hgdc);
	__m128i efgh = _mm_unpackhi_epi64(feba, hgdc);

	_mm_storeu_si128((__m128i *)out->b, _mm_shuffle_epi8(abcd, swap));
	_mm_storeu_si128((__m128i *)(out->b + 16), _mm_shuffle_epi8(efgh, swap));
}

/* Four rounds with message words w (round constants not yet added). */
SHANI_INLINE void
rounds4(struct state *st, __m128i w, int quad)
{
	__m128i k = _mm_load_si128((const __m128i *)&round_constants[4 * quad]);
	__m128i wk = _mm_add_epi32(w, k);

	st->cdgh = _mm_sha256rnds2_epu32(st->cdgh, st->abef, wk);
	st->abef = _mm_sha256rnds2_epu32(st->abef, st->cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

/* Message words of a quad: loaded for the first four, made from the last sixteen words after. */
SHANI_INLINE __m128i
schedule(__m128i w[4], const uint8_t *block, int quad)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i t;

	if (quad < 4) {
		t = _mm_loadu_si128((const __m128i *)(block + 16 * quad));
		t = _mm_shuffle_epi8(t, swap);
	} else {
		__m128i w1 = w[(quad + 3) & 3], w2 = w[(quad + 2) & 3];

		t = _mm_sha256msg1_epu32(w[quad & 3], w[(quad + 1) & 3]);
		t = _mm_add_epi32(t, _mm_alignr_epi8(w1, w2, 4));
		t = _mm_sha256msg2_epu32(t, w1);
	}
	w[quad & 3] = t;
	return t;
}

SHANI_INLINE void
state_add(struct state *st, const struct state *before)
{
	st->abef = _mm_add_epi32(st->abef, before->abef);
	st->cdgh = _mm_add_epi32(st->cdgh, before->cdgh);
}

SHANI static void
compress1(struct state *st, const uint8_t *data, size_t nblocks)
{
	struct state s = *st;

	for (; nblocks > 0; nblocks--, data += BLOCK) {
		struct state before = s;
		__m128i w[4];

#pragma GCC unroll 16
		for (int quad = 0; quad < QUADS; quad++)
			rounds4(&s, schedule(w, data, quad), quad);
		state_add(&s, &before);
	}
	*st = s;
}

SHANI static void
compress2(struct state st[2], const uint8_t *data0, const uint8_t *data1, size_t nblocks)
{
	struct state s0 = st[0], s1 = st[1];

	for (; nblocks > 0; nblocks--, data0 += BLOCK, data1 += BLOCK) {
		struct state before0 = s0, before1 = s1;
		__m128i w0[4], w1[4];

#pragma GCC unroll 16
		for (int quad = 0; quad < QUADS; quad++) {
			rounds4(&s0, schedule(w0, data0, quad), quad);
			rounds4(&s1, schedule(w1, data1, quad), quad);
		}
		state_add(&s0, &before0);
		state_add(&s1, &before1);
	}
	st[0] = s0;
	st[1] = s1;
}

/* Pads the last len < BLOCK bytes, which are in tail, of a message of total bytes; their blocks. */
static size_t
pad(uint8_t tail[2 * BLOCK], size_t len, uint64_t total)
{
	size_t blocks = len + 1 + 8 <= BLOCK ? 1 : 2;

	tail[len] = 0x80;
	memset(tail + len + 1, 0, blocks * BLOCK - len - 1 - 8);
	be64_put(tail + blocks * BLOCK - 8, total * 8);
	return blocks;
}

SHANI static void
shani_parts(const struct bytes *parts, size_t n, struct hash *out)
{
	struct state st = state_initial();
	uint8_t rest[2 * BLOCK];
	size_t have = 0; /* bytes in rest, less than BLOCK */
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = parts[i].data;
		size_t left = parts[i].len;

		total += left;
		if (have > 0 && have + left >= BLOCK) {
			memcpy(rest + have, p, BLOCK - have);
			p += BLOCK - have;
			left -= BLOCK - have;
			compress1(&st, rest, 1);
			have = 0;
		}
		if (left >= BLOCK) {
			compress1(&st, p, left / BLOCK);
			p += left / BLOCK * BLOCK;
			left %= BLOCK;
		}
		if (left)
			memcpy(rest + have, p, left);
		have += left;
	}
	compress1(&st, rest, pad(rest, have, total));
	state_store(&st, out);
}

static void
lane_start(struct lane *lane, struct bytes msg, struct hash *out)
{
	size_t rest = msg.len % BLOCK;

	lane->data = msg.data;
	lane->left = msg.len / BLOCK;
	if (rest)
		memcpy(lane->tail, msg.data + msg.len - rest, rest);
	lane->tail_blocks = pad(lane->tail, rest, msg.len);
	lane->out = out;
	if (lane->left == 0) {
		lane->data = lane->tail;
		lane->left = lane->tail_blocks;
		lane->tail_blocks = 0;
	}
}

/* Notes that blocks were compressed; true when the message is complete. */
static bool
lane_advance(struct lane *lane, size_t blocks)
{
	lane->data += blocks * BLOCK;
	lane->left -= blocks;
	if (lane->left > 0)
		return false;
	lane->data = lane->tail;
	lane->left = lane->tail_blocks;
	lane->tail_blocks = 0;
	return lane->left == 0;
}

SHANI static void
shani_many(const struct bytes *msgs, size_t n, struct hash *out)
{
	struct lane lanes[2];
	struct state st[2];
	size_t next = 0;

	for (int i = 0; i < 2; i++) {
		lanes[i].out = NULL;
		if (next < n) {
			st[i] = state_initial();
			lane_start(&lanes[i], msgs[next], &out[next]);
			next++;
		}
	}
	while (lanes[0].out && lanes[1].out) {
		size_t blocks = lanes[0].left < lanes[1].left ? lanes[0].left : lanes[1].left;

		compress2(st, lanes[0].data, lanes[1].data, blocks);
		for (int i = 0; i < 2; i++) {
			if (!lane_advance(&lanes[i], blocks))
				continue;
			state_store(&st[i], lanes[i].out);
			lanes[i].out = NULL;
			if (next < n) {
				st[i] = state_initial();
				lane_start(&lanes[i], msgs[next], &out[next]);
				next++;
			}
		}
	}
	for (int i = 0; i < 2; i++) {
		bool done = !lanes[i].out;

		while (!done) {
			size_t blocks = lanes[i].left;

			compress1(&st[i], lanes[i].data, blocks);
			done = lane_advance(&lanes[i], blocks);
		}
		if (lanes[i].out)
			state_store(&st[i], lanes[i].out);
	}
}

SHANI static void
shani_leaves(const struct hash *in, size_t n, struct hash *out)
{
	uint8_t msg[2][2 * BLOCK] = {{HASH_LEAF_PREFIX}, {HASH_LEAF_PREFIX}};
	size_t i = 0;

	pad(msg[0], 1 + HASH_SIZE, 1 + HASH_SIZE);
	pad(msg[1], 1 + HASH_SIZE, 1 + HASH_SIZE);
	for (; i + 2 <= n; i += 2) {
		struct state st[2] = {state_initial(), state_initial()};

		memcpy(msg[0] + 1, in[i].b, HASH_SIZE);
		memcpy(msg[1] + 1, in[i + 1].b, HASH_SIZE);
		compress2(st, msg[0], msg[1], 1);
		state_store(&st[0], &out[i]);
		state_store(&st[1], &out[i + 1]);
	}
	if (i < n) {
		struct state st = state_initial();

		memcpy(msg[0] + 1, in[i].b, HASH_SIZE);
		compress1(&st, msg[0], 1);
		state_store(&st, &out[i]);
	}
}

/* One node message: 01, two hashes, padding; the second hash ends in the second block. */
static void
node_message_init(uint8_t msg[2 * BLOCK])
{
	memset(msg, 0, 2 * BLOCK);
	msg[0] = HASH_NODE_PREFIX;
	msg[1 + 2 * HASH_SIZE] = 0x80;
	be64_put(msg + 2 * BLOCK - 8, (1 + 2 * HASH_SIZE) * 8);
}

SHANI static void
shani_pairs(const struct hash *in, size_t npairs, struct hash *out)
{
	uint8_t msg[2][2 * BLOCK];
	size_t i = 0;

	node_message_init(msg[0]);
	node_message_init(msg[1]);
	for (; i + 2 <= npairs; i += 2) {
		struct state st[2] = {state_initial(), state_initial()};

		memcpy(msg[0] + 1, &in[2 * i], 2 * HASH_SIZE);
		memcpy(msg[1] + 1, &in[2 * i + 2], 2 * HASH_SIZE);
		compress2(st, msg[0], msg[1], 2);
		state_store(&st[0], &out[i]);
		state_store(&st[1], &out[i + 1]);
	}
	if (i < npairs) {
		struct state st = state_initial();

		memcpy(msg[0] + 1, &in[2 * i], 2 * HASH_SIZE);
		compress1(&st, msg[0], 2);
		state_store(&st, &out[i]);
	}
}

const struct hash_impl hash_impl_shani = {
    .name = "sha-ni",
    .usable = shani_usable,
    .parts = shani_parts,
    .many = shani_many,
    .leaves = shani_leaves,
    .pairs = shani_pairs,
};
#endif
