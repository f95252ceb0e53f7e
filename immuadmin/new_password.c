/* New passwords, asked for twice. Neighbours: admin_account.c (first login), admin_users.c. */
#include "new_password.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/prompt.h"

#define PROMPT_TEXT_MAX 256

const char new_password_rules[] =
    "NOTE: password must have between 8 and 32 letters, digits and special characters of which at "
    "least 1 uppercase letter, 1 digit and 1 special character.";

static enum im_err
ask(const char *prompt, struct buf *out)
{
	enum im_err err = prompt_password(prompt, out);

	if (err == IM_ERR_FORMAT)
		return err_set(IM_ERR_CREDENTIALS, "no password was given");
	if (!err)
		buf_append_u8(out, '\0');
	return err ? err : out->err;
}

static enum im_err
ask_twice(const char *user, struct buf *out)
{
	char prompt[PROMPT_TEXT_MAX];
	struct buf again;
	enum im_err err;

	snprintf(prompt, sizeof prompt, "Choose a password for %s: ", user);
	err = ask(prompt, out);
	buf_init(&again, PROMPT_MAX_BYTES + 1);
	if (!err)
		err = ask("Confirm password: ", &again);
	if (!err && !bytes_equal(buf_bytes(out), buf_bytes(&again)))
		err = err_set(IM_ERR_CREDENTIALS, "Passwords don't match");
	buf_wipe(&again);
	return err;
}

enum im_err
new_password_get(struct session *s, const char *option, const char *user, struct buf *out)
{
	const char *given = options_string(s->options, option);

	if (*given)
		return buf_append(out, given, strlen(given) + 1) ? IM_OK : out->err;
	if (!isatty(STDIN_FILENO))
		return ask("", out);
	output_note(s->out, "%s", new_password_rules);
	return ask_twice(user, out);
}
