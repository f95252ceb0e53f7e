#ifndef IMMUGW_OPENAPI_H
#define IMMUGW_OPENAPI_H

#include "routes.h"

/*
 * The OpenAPI 3.1 document of the gateway, made from the table of routes and the descriptors of the
 * messages. The same text for the same version, always. Pure.
 */

#define OPENAPI_MAX (4u * 1024 * 1024) /* room that the document needs at most */

/* Appends the document as JSON. version: of the program. Failure is out->err. */
void openapi_write(struct buf *out, const char *version);

/*
 * The examples of the document, static strings: what stands for a name in braces of the route's
 * path ("key", "databaseName"), NULL for an unknown name; the body, NULL for a route that takes
 * none.
 */
const char *openapi_example_field(const struct route *route, struct bytes name);
const char *openapi_example_body(const struct route *route);

#endif
