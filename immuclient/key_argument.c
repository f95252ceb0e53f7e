/* KEY@REV on the command line. */
#include "key_argument.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The last occurrence of needle in text, or NULL. */
static const char *
find_last(const char *text, const char *needle)
{
	const char *last = NULL;

	for (const char *at = text; (at = strstr(at, needle)); at++)
		last = at;
	return last;
}

static bool
parse_revision(const char *text, int64_t *out)
{
	const char *digits = text + (*text == '-');
	long long n;

	if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits))
		return false;
	errno = 0;
	n = strtoll(text, NULL, 10);
	if (errno == ERANGE)
		return false;
	*out = n;
	return true;
}

void
key_argument_split(
    const char *text, const char *separator, struct immu_bytes *key, struct immu_version *version)
{
	const char *at = *separator ? find_last(text, separator) : NULL;

	*key = immu_str(text);
	*version = (struct immu_version){0};
	if (at && at > text && parse_revision(at + strlen(separator), &version->revision))
		key->len = (size_t)(at - text);
}
