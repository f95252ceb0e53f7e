#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"
#include "util/log.h"

/*
 * What a fuzz target NAME_fuzz.c defines. The same file becomes a fuzzer (preset fuzz, libFuzzer
 * calls it) and a test that replays the inputs of corpus/NAME (replay_main.c calls it). A target
 * depends on its input alone, leaves nothing allocated behind, and ends the process with an
 * assertion when a promise of the code under test is broken.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* May be left out. Called once before the first input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* For LLVMFuzzerInitialize(): what the code under test logs goes nowhere. */
static inline void
fuzz_quiet(void)
{
	log_open(&(struct log_config){.path = "/dev/null", .level = LOG_LEVEL_ERROR});
}

/* Takes the n bytes in front, or what is left. For inputs that consist of parts. */
static inline struct bytes
fuzz_take(struct bytes *in, size_t n)
{
	struct bytes part = bytes_of(in->data, n < in->len ? n : in->len);

	*in = bytes_of(in->data + part.len, in->len - part.len);
	return part;
}

/* A big-endian number of at most 8 bytes; missing bytes are zero. */
static inline uint64_t
fuzz_number(struct bytes *in, size_t n)
{
	struct bytes part = fuzz_take(in, n);
	uint64_t v = 0;

	for (size_t i = 0; i < part.len; i++)
		v = v << 8 | part.data[i];
	return v;
}

#endif
