#ifndef IMMUGW_PAGE_H
#define IMMUGW_PAGE_H

#include "util/bytes.h"

/*
 * The page at /: it lists the paths of /openapi.json and lets one try them. Its files are part of
 * the program; they ask for nothing but what this gateway serves. Pure; any thread.
 */
struct page_file {
	const char *content_type;
	struct bytes content; /* lives as long as the program */
};

/* What the header Content-Security-Policy says with every file of the page. */
extern const char page_policy[];

/* The file of that path: "/", "/page.js" or "/page.css". False when there is none. */
bool page_find(const char *path, struct page_file *out);

#endif
