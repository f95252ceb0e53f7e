/* "immuclient verify": checks an offline proof or evidence, with no server. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_proof.h"
#include "cli/session.h"
#include "commands.h"
#include "util/hex.h"

/* "TX:HASH" */
static enum im_err
parse_state(const char *text, struct immu_proof_options *out)
{
	char *colon;

	if (!*text)
		return IM_OK;
	out->trusted_tx = strtoull(text, &colon, 10);
	if (out->trusted_tx == 0 || *colon != ':' || text[0] < '0' || text[0] > '9' ||
	    hex_decode(bytes_str(colon + 1), out->trusted_hash, IMMU_HASH_SIZE) != IM_OK)
		return err_set(IM_ERR_USAGE,
		    "--state: \"%s\" is not TX:HASH, a number and 64 hexadecimal digits", text);
	return IM_OK;
}

static enum im_err
verify(struct session *s)
{
	const char *database = options_string(s->options, "database");
	const char *server = options_string(s->options, "server");
	struct immu_proof_options options = {
	    .pub_key_file = options_string(s->options, "server-signing-pub-key"),
	    .server_id = *server ? server : NULL,
	    .database = *database ? database : NULL};
	enum im_err err = parse_state(options_string(s->options, "state"), &options);

	return err ? err : cli_proof_verify(s->out, s->call->args[0], &options);
}

int
command_verify(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, verify);
}
