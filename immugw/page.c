/*
 * The files of the page at /, which are made into C when building. Neighbours: page/page.html,
 * page.js and page.css are the page; it reads /openapi.json and needs nothing else.
 *
 * Invariant: the policy lets the page ask this gateway and nobody else, and run no script but its
 * own.
 */
#include "page.h"

/* Made by cmake/embed.cmake. */
extern const unsigned char page_html[], page_css[], page_js[];
extern const size_t page_html_size, page_css_size, page_js_size;

const char page_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

static const struct {
	const char *path, *content_type;
	const unsigned char *data;
	const size_t *size;
} files[] = {
    {"/", "text/html; charset=utf-8", page_html, &page_html_size},
    {"/page.css", "text/css; charset=utf-8", page_css, &page_css_size},
    {"/page.js", "text/javascript; charset=utf-8", page_js, &page_js_size},
};

bool
page_find(const char *path, struct page_file *out)
{
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (strcmp(files[i].path, path) != 0)
			continue;
		out->content_type = files[i].content_type;
		out->content = bytes_of(files[i].data, *files[i].size);
		return true;
	}
	return false;
}
