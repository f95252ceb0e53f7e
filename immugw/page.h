#ifndef IMMUGW_PAGE_H
#define IMMUGW_PAGE_H

#include "util/bytes.h"

/*
 * The page at /: it lists the paths of /openapi.json and lets one try them. The files are part of the
 * program; they ask for nothing but what this gateway serves.
 */
struct page_file {
	const char *path; /* "/", "/page.js", "/page.css" */
	const char *content_type;
	struct bytes content;
};

/* What the header Content-Security-Policy says with every file of the page. */
extern const char page_policy[];

/* The file of that path, or NULL. The content lives as long as the program. */
const struct page_file *page_find(const char *path);

#endif
