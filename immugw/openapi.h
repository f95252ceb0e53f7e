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
 * The examples of the document. The value in every example for a name in braces ("key", "databaseName");
 * NULL for an unknown name. The body of an example for a method, NULL if it takes none. Static strings.
 */
const char *openapi_example_field(struct bytes name);
const char *openapi_example_body(const struct route *route);

#endif
