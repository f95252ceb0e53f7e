/*
 * What may follow in a line of the shell, by the command table, and what of it can be put in.
 * Neighbours: shell.c, shell_edit.c.
 */
#include <string.h>

#include "shell.h"
#include "util/text.h"

static const char *const builtins[] = {"exit", "quit", "help", "clear", "timing"};

void
shell_candidates_add(struct shell_candidates *c, struct bytes word)
{
	struct bytes copy;

	if (c->count == SHELL_CANDIDATES_MAX)
		return;
	copy = arena_copy(c->arena, word);
	if (copy.len == word.len && copy.len)
		c->list[c->count++] = copy;
}

/* How many bytes two words begin with alike. */
static size_t
common_len(struct bytes a, struct bytes b)
{
	size_t n = 0;

	while (n < a.len && n < b.len && a.data[n] == b.data[n])
		n++;
	return n;
}

struct bytes
shell_candidates_common(const struct shell_candidates *c, struct bytes stem)
{
	struct bytes first = c->count ? c->list[0] : stem;
	size_t n = first.len, end = stem.len;

	for (size_t i = 0; i < c->count; i++) {
		size_t same = common_len(first, c->list[i]);

		/* Keys are what others wrote, and answers what a server says. */
		if (!bytes_has_prefix(c->list[i], stem))
			return bytes_of(NULL, 0);
		n = same < n ? same : n;
	}
	while (end < n && first.data[end] >= ' ' && first.data[end] != 0x7f)
		end++;
	while (end > stem.len && end < first.len && (first.data[end] & 0xc0) == 0x80)
		end--;
	return bytes_of(first.data + stem.len, end - stem.len);
}

static void
add(struct shell_candidates *out, const char *word, struct bytes stem)
{
	if (bytes_has_prefix(bytes_str(word), stem))
		shell_candidates_add(out, bytes_str(word));
}

static const struct command *
find(const struct command *parent, const char *name)
{
	for (size_t i = 0; i < parent->command_count; i++) {
		const struct command *c = &parent->commands[i];

		if (strcmp(c->name, name) == 0 || text_list_has(c->aliases, name))
			return c;
	}
	return NULL;
}

static void
add_commands(const struct command *parent, struct bytes stem, struct shell_candidates *out)
{
	for (size_t i = 0; i < parent->command_count; i++)
		if (!parent->commands[i].hidden)
			add(out, parent->commands[i].name, stem);
}

static void
add_flags(const struct command *c, struct bytes stem, struct shell_candidates *out)
{
	char flag[128] = "--";

	for (size_t i = 0; i < c->option_count; i++) {
		const struct option_def *def = &c->options[i];

		if ((def->flags & OPTION_HIDDEN) || strlen(def->name) + 3 > sizeof flag)
			continue;
		strcpy(flag + 2, def->name);
		add(out, flag, stem);
	}
}

/* Whether argument number n of "KEY VALUE", "[PREFIX]" or "KEY..." is a key or the start of one. */
static bool
is_key_argument(const char *args, size_t n)
{
	const char *word = args ? args : "";
	const char *last = word;

	for (;;) {
		word += strspn(word, " ");
		if (!*word)
			break;
		last = word;
		if (n-- == 0)
			break;
		word += strcspn(word, " ");
	}
	if (!*word && !strstr(last, "..."))
		return false;
	last += *last == '[';
	return strncmp(last, "KEY", 3) == 0 || strncmp(last, "PREFIX", 6) == 0 ||
	    strncmp(last, "REFKEY", 6) == 0;
}

bool
shell_complete_words(const struct command *root, const struct shell_words *before,
    struct bytes stem, struct shell_candidates *out)
{
	const struct command *c = root, *next;
	size_t at = 0, args = 0;

	while (at < before->count && (next = find(c, before->words[at])) != NULL) {
		c = next;
		at++;
	}
	if (stem.len && stem.data[0] == '-') {
		add_flags(c, stem, out);
		add_flags(root, stem, out);
		return false;
	}
	if (before->count == 1 && strcmp(before->words[0], "help") == 0) {
		add_commands(root, stem, out);
		return false;
	}
	for (; at < before->count; at++)
		args += before->words[at][0] != '-';
	if (c->command_count && args == 0)
		add_commands(c, stem, out);
	for (size_t i = 0; before->count == 0 && i < sizeof builtins / sizeof *builtins; i++)
		add(out, builtins[i], stem);
	return is_key_argument(c->args, args);
}
