/*
 * Names in backups. Whoever made an archive chose the names in it; nothing is done with one before
 * it came through here. Neighbours: cold_unpack.c, cold_tree.c, cold_manifest.c.
 */
#include "cold_names.h"

#include <stdio.h>

#define DELETE_BYTE 0x7f

static bool
is_control(uint8_t byte)
{
	return byte < ' ' || byte == DELETE_BYTE;
}

char *
cold_name_show(struct bytes name, char out[COLD_NAME_SHOWN])
{
	size_t n = name.len < COLD_NAME_SHOWN - 1 ? name.len : COLD_NAME_SHOWN - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = is_control(name.data[i]) ? '?' : (char)name.data[i];
	out[n] = '\0';
	if (name.len > n)
		memcpy(out + n - 3, "...", 3);
	return out;
}

static enum im_err
refuse(struct bytes name, const char *why)
{
	char shown[COLD_NAME_SHOWN];

	return err_set(
	    IM_ERR_FORMAT, "unsafe name in the backup: %s: %s", cold_name_show(name, shown), why);
}

/* What is wrong with one part of a path, or NULL. */
static const char *
check_part(struct bytes part)
{
	if (bytes_equal(part, bytes_str("..")))
		return "it leads out of the folder";
	if (part.len > COLD_NAME_MAX)
		return "it is too long";
	for (size_t i = 0; i < part.len; i++)
		if (is_control(part.data[i]))
			return "it has control characters";
	return NULL;
}

/* Takes the part before the next slash. */
static struct bytes
take_part(struct bytes *rest)
{
	size_t n = 0;
	struct bytes part;

	while (n < rest->len && rest->data[n] != '/')
		n++;
	part = bytes_of(rest->data, n);
	n += n < rest->len;
	*rest = bytes_of(rest->data + n, rest->len - n);
	return part;
}

enum im_err
cold_name_clean(struct bytes name, char out[COLD_PATH_MAX])
{
	struct bytes rest = name, part;
	size_t len = 0, depth = 0;
	const char *why = NULL;

	out[0] = '\0';
	if (name.len == 0)
		return refuse(name, "it is empty");
	if (name.data[0] == '/')
		return refuse(name, "it is absolute");
	while (rest.len && !why) {
		part = take_part(&rest);
		if (part.len == 0 || bytes_equal(part, bytes_str(".")))
			continue;
		why = check_part(part);
		if (!why && ++depth > COLD_DEPTH_MAX)
			why = "it is too deep";
		if (!why && len + (len > 0) + part.len >= COLD_PATH_MAX)
			why = "it is too long";
		if (why)
			break;
		if (len)
			out[len++] = '/';
		memcpy(out + len, part.data, part.len);
		len += part.len;
		out[len] = '\0';
	}
	return why ? refuse(name, why) : IM_OK;
}
