/*
 * Writes and reads with proofs: one key at a time, a proof to keep, then many requests in flight.
 *
 *	cc prove.c -o prove $(pkg-config --cflags --libs immu)
 *	./prove ADDRESS PORT USER PASSWORD
 *
 * Whatever is printed was proven: a wrong answer of the server ends the program with exit code 10.
 */
#include <stdio.h>
#include <stdlib.h>

#include <immu.h>
#include <immu_proof.h>

#define MANY 500

/* How the requests in flight ended so far. */
struct progress {
	unsigned ok;
	enum im_err first_err;
};

static int
fail(const char *what, enum im_err err)
{
	fprintf(stderr, "prove: %s: %s\n", what, immu_error_text(err));
	return (int)immu_exit_code(err);
}

static void
on_written(void *arg, const struct immu_result *result)
{
	struct progress *progress = arg;

	if (!result->err)
		progress->ok++;
	else if (!progress->first_err)
		progress->first_err = result->err;
}

/* One write and one read, each waited for. */
static enum im_err
write_and_read(struct immu *c)
{
	struct immu_kv kv = {.key = immu_str("greeting"), .value = immu_str("hello, world")};
	struct immu_result *written, *read;
	enum im_err err = immu_verified_set(c, &kv, 1, &written);

	if (err)
		return err;
	printf("written in transaction %llu\n", (unsigned long long)written->header.id);
	immu_result_free(written);
	err = immu_verified_get(c, kv.key, NULL, &read);
	if (err)
		return err;
	printf("read: %.*s\n", (int)read->entries[0].value.len,
	    (const char *)read->entries[0].value.data);
	immu_result_free(read);
	return IM_OK;
}

/* Keeps the proof of a read, and checks it as somebody would who cannot reach the server. */
static enum im_err
prove_offline(struct immu *c)
{
	struct immu_bytes key = immu_str("greeting");
	struct immu_request request = {
	    .op = IMMU_OP_GET, .verified = true, .keep_proof = true, .keys = &key, .keys_len = 1};
	struct immu_proof_report *report;
	struct immu_result *read;
	enum im_err err = immu_run(c, &request, &read);

	if (err)
		return err;
	err = immu_proof_check(read->proof, NULL, &report);
	if (!err)
		printf("offline proof of %zu bytes: %zu checks hold\n", read->proof.len,
		    report->checks_len);
	immu_proof_report_free(report);
	immu_result_free(read);
	return err;
}

/* Many writes on their way at a time; immu_poll() runs the callbacks. */
static enum im_err
write_many(struct immu *c, struct progress *progress)
{
	for (int i = 0; i < MANY; i++) {
		char key[32];
		int len = snprintf(key, sizeof key, "many/%03d", i);
		struct immu_kv kv = {.key = {key, (size_t)len}, .value = immu_str("x")};
		struct immu_request request = {
		    .op = IMMU_OP_SET, .verified = true, .kvs = &kv, .kvs_len = 1};
		enum im_err err;

		while (
		    (err = immu_submit(c, &request, on_written, progress)) == IM_ERR_WOULD_BLOCK) {
			err = immu_poll(c, -1);
			if (err)
				return err;
		}
		if (err)
			return err;
	}
	return immu_wait(c);
}

static enum im_err
run(struct immu *c, const char *user, const char *password)
{
	struct progress progress = {0};
	struct immu_state state;
	enum im_err err = immu_login(c, user, password, NULL);

	if (!err)
		err = write_and_read(c);
	if (!err)
		err = prove_offline(c);
	if (!err)
		err = write_many(c, &progress);
	if (!err)
		err = progress.first_err;
	/* From here on a crash would not make us forget what was proven. */
	if (!err)
		err = immu_persist(c);
	if (!err && immu_trusted_state(c, &state))
		printf("%u writes proven; transaction %llu of %s is trusted now\n", progress.ok,
		    (unsigned long long)state.tx, state.database);
	return err;
}

int
main(int argc, char **argv)
{
	struct immu_options options = {0};
	struct immu *c;
	enum im_err err;

	if (argc != 5) {
		fprintf(stderr, "usage: prove ADDRESS PORT USER PASSWORD\n");
		return IM_EXIT_USAGE;
	}
	options.address = argv[1];
	options.port = (unsigned int)strtoul(argv[2], NULL, 10);
	err = immu_connect(&options, &c);
	if (err)
		return fail("connect", err);
	err = run(c, argv[3], argv[4]);
	if (err) {
		int code = fail("prove", err);

		immu_close(c);
		return code;
	}
	err = immu_close(c);
	return err ? fail("close", err) : 0;
}
