/* Words of a line. Neighbours: shell.c runs them, shell_edit.c completes them. */
#include "shell_words.h"

#include <string.h>

/* The state of the walk: text is where the next byte of the present word goes. */
struct splitter {
	struct shell_words *out;
	char *text;
	char *word; /* start of the present word in text */
};

static void
begin_word(struct splitter *p, size_t at)
{
	if (p->out->in_word)
		return;
	p->out->in_word = true;
	p->out->word_at = at;
	p->word = p->text;
}

static void
end_word(struct splitter *p)
{
	if (!p->out->in_word)
		return;
	*p->text++ = '\0';
	p->out->words[p->out->count++] = p->word;
	p->out->in_word = false;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Whether a backslash here takes the next character as it is. */
static bool
escapes(char quote, char next)
{
	return quote == 0 || (quote == '"' && (next == '"' || next == '\\'));
}

/* One character outside of comments; returns how many bytes of the line it took. */
static size_t
take(struct splitter *p, struct bytes line, size_t at)
{
	struct shell_words *out = p->out;
	char c = (char)line.data[at], next = at + 1 < line.len ? (char)line.data[at + 1] : 0;

	if (c == '\\' && out->quote != '\'' && at + 1 == line.len) {
		begin_word(p, at);
		out->is_open = true;
		return 1;
	}
	if (c == '\\' && out->quote != '\'' && escapes(out->quote, next)) {
		begin_word(p, at);
		if (next != '\n')
			*p->text++ = next;
		return 2;
	}
	if (out->quote == 0 && is_blank(c)) {
		end_word(p);
		return 1;
	}
	begin_word(p, at);
	if (out->quote == 0 && (c == '\'' || c == '"'))
		out->quote = c;
	else if (c == out->quote)
		out->quote = 0;
	else
		*p->text++ = c;
	return 1;
}

enum im_err
shell_split(struct bytes line, struct arena *arena, struct shell_words *out)
{
	struct splitter p = {.out = out};

	*out = (struct shell_words){0};
	if (line.len && memchr(line.data, 0, line.len))
		return err_set(IM_ERR_FORMAT, "the line holds a NUL byte");
	/*
	 * Each word takes at most its bytes and a NUL; words are at most half the bytes, and one.
	 */
	out->words = (char **)arena_calloc(arena, line.len / 2 + 2, sizeof *out->words);
	p.text = (char *)arena_alloc(arena, 2 * line.len + 2);
	if (!out->words || !p.text)
		return IM_ERR_NOMEM;
	for (size_t at = 0; at < line.len;) {
		if (line.data[at] == '#' && !out->in_word)
			while (at < line.len && line.data[at] != '\n')
				at++;
		else
			at += take(&p, line, at);
	}
	out->is_open |= out->quote != 0;
	if (out->in_word) {
		/* The word is handed out, and may grow all the same. */
		end_word(&p);
		out->in_word = true;
	}
	return IM_OK;
}

bool
shell_quote(struct buf *out, struct bytes text, char quote)
{
	static const char special[] = " \t\n\r'\"\\#";

	for (size_t i = 0; i < text.len; i++) {
		char c = (char)text.data[i];

		if (quote == 0 ? strchr(special, c) != NULL
			       : quote == '"' && (c == '"' || c == '\\'))
			buf_append_u8(out, '\\');
		buf_append_u8(out, (uint8_t)c);
	}
	return !out->err;
}
