/*
 * Serves the gateway's page and its document, with no database behind, to look at them:
 * show_gateway prints its address and serves until its standard input ends. /login gives a token to
 * anybody.
 */
#include <stdio.h>
#include <unistd.h>

#include "http/http_server.h"
#include "openapi.h"
#include "page.h"

static void
show_file(void *arg, const struct http_request *request, struct http_response *response)
{
	struct page_file file;

	(void)arg;
	http_response_header(response, "Content-Security-Policy", page_policy);
	if (!page_find(request->path, &file))
		return;
	response->content_type = file.content_type;
	buf_append_bytes(&response->body, file.content);
}

static void
show_document(void *arg, const struct http_request *request, struct http_response *response)
{
	(void)arg;
	(void)request;
	openapi_write(&response->body, "0.0.0");
}

static void
show_entry(void *arg, const struct http_request *request, struct http_response *response)
{
	(void)arg;
	(void)request;
	buf_append_str(&response->body,
	    "{\"tx\":\"18446744073709551615\",\"key\":\"aGVsbG8=\",\"value\":\"d29ybGQ=\"}");
}

static void
show_markup(void *arg, const struct http_request *request, struct http_response *response)
{
	(void)arg;
	(void)request;
	buf_append_str(
	    &response->body, "{\"version\":\"<img src=x onerror=document.title='broken'>\"}");
}

static void
show_token(void *arg, const struct http_request *request, struct http_response *response)
{
	(void)arg;
	if (strcmp(request->rest, "missing") == 0) {
		response->status = 404;
		buf_append_str(
		    &response->body, "{\"code\":5,\"message\":\"missing does not exist\"}");
		return;
	}
	buf_append_str(&response->body, "{\"token\":\"sample-token-5f3a\"}");
}

static const struct http_route served[] = {
    {"GET", "/", show_file, NULL},
    {"GET", "/page.css", show_file, NULL},
    {"GET", "/page.js", show_file, NULL},
    {"GET", "/openapi.json", show_document, NULL},
    {"GET", "/db/get/*", show_entry, NULL},
    {"GET", "/db/use/*", show_token, NULL},
    {"GET", "/serverinfo", show_markup, NULL},
    {"POST", "/login", show_token, NULL},
};

int
main(void)
{
	struct http_options options = {.address = "127.0.0.1",
	    .ephemeral = true,
	    .program = "immugw",
	    .routes = served,
	    .route_count = sizeof served / sizeof *served};
	struct http_server *server;
	char byte;

	if (http_server_start(&options, &server) != IM_OK)
		return 1;
	printf("http://127.0.0.1:%u/\n", http_server_port(server));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	http_server_stop(server);
	return 0;
}
