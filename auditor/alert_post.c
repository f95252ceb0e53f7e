/*
 * The webhook. Neighbours: alert (says when), hmac; ALERTS.md describes what is sent. The only file
 * that includes curl.
 *
 * Invariants: nothing is sent over a connection whose certificate does not verify; a redirection is
 * an error, because it would carry the alert and the password elsewhere; the log gets scheme and
 * host of the URL, never its path, which may be as good as a password; what the receiver answers is
 * read for the log only, and bounded.
 */
#include "alert_post.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hmac.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/hex.h"
#include "util/log.h"
#include "util/text.h"
#include "util/version.h"

#define POST_TIMEOUT_MS 5000u
#define POST_SECRET_MAX 4096u
#define POST_ANSWER_MAX 200u
#define POST_POLL_MS 1000
#define POST_HEADER_MAX 160

#define POST_OK 200L
#define POST_CREATED 201L
#define POST_ACCEPTED 202L
#define POST_NO_CONTENT 204L
#define POST_REDIRECTION 300L
#define POST_CLIENT_ERROR 400L
#define POST_REQUEST_TIMEOUT 408L
#define POST_TOO_MANY 429L
#define POST_SERVER_ERROR 500L

struct alert_post {
	CURL *easy;
	CURLM *multi;
	atomic_bool aborted;
	char *place; /* "https://host:port", for the log */
	struct buf secret;
	struct buf answer; /* the first bytes of the receiver's answer */
	char error[CURL_ERROR_SIZE];
};

char *
alert_post_sign(
    struct bytes key, const char *timestamp, struct bytes body, char out[ALERT_SIGNATURE_SIZE])
{
	const struct bytes parts[] = {bytes_str(timestamp), bytes_str("."), body};
	struct hash mac;

	hmac_sha256(key, parts, sizeof parts / sizeof *parts, &mac);
	memcpy(out, "v1=", 3);
	hex_encode(hash_bytes(&mac), out + 3);
	return out;
}

/* Appends the first line of an open secret file, if only its owner and group may read it. */
static enum im_err
post_read_open_secret(int fd, const char *path, struct buf *out)
{
	struct stat st;
	const uint8_t *end;
	enum im_err err;

	if (fstat(fd, &st) != 0)
		return err_set_errno(IM_ERR_CONFIG, "stat", path);
	if (!S_ISREG(st.st_mode) || (st.st_mode & S_IRWXO))
		return err_set(IM_ERR_CONFIG,
		    "%s: the webhook's secret must be a file that others cannot read: chmod 600",
		    path);
	err = file_read_open(fd, path, POST_SECRET_MAX, out);
	if (err)
		return err == IM_ERR_NOMEM ? err : err_set(IM_ERR_CONFIG, "%s", err_detail(err));
	end = out->len ? (const uint8_t *)memchr(out->data, '\n', out->len) : NULL;
	out->len = end ? (size_t)(end - out->data) : out->len;
	if (out->len && out->data[out->len - 1] == '\r')
		out->len--;
	return out->len ? IM_OK : err_set(IM_ERR_CONFIG, "%s: the first line is empty", path);
}

static enum im_err
post_read_secret(const char *path, struct buf *out)
{
	int fd;
	enum im_err err;

	if (!path || !path[0])
		return IM_OK;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_set_errno(IM_ERR_CONFIG, "open", path);
	/* So that growing does not leave parts of it behind. */
	buf_reserve(out, POST_SECRET_MAX);
	err = post_read_open_secret(fd, path, out);
	close(fd);
	return err;
}

/* A part of a URL; "" when it has none. Free with curl_free(). */
static char *
post_url_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;

	return curl_url_get(url, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0) ==
		CURLUE_OK
	    ? text
	    : NULL;
}

static enum im_err
post_check_parts(CURLU *url, char **place)
{
	char *scheme = post_url_part(url, CURLUPART_SCHEME);
	char *host = post_url_part(url, CURLUPART_HOST), *port = post_url_part(url, CURLUPART_PORT);
	char *user = post_url_part(url, CURLUPART_USER);
	char *password = post_url_part(url, CURLUPART_PASSWORD);
	enum im_err err = IM_OK;

	if (!scheme || !host || !port ||
	    (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		err = err_set(IM_ERR_ARGUMENT, "the webhook's URL is not http:// or https://");
	else if (user || password)
		err = err_set(IM_ERR_ARGUMENT,
		    "the webhook's URL holds a user name or password: give them by options of "
		    "their own");
	else if (asprintf(place, "%s://%s:%s", scheme, host, port) < 0)
		*place = NULL;
	if (!err && !*place)
		err = err_set(IM_ERR_NOMEM, "out of memory");
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(user);
	curl_free(password);
	return err;
}

/* Whether the URL is one that we post to; *place is what may be said of it. */
static enum im_err
post_check_url(const char *text, char **place)
{
	CURLU *url = curl_url();
	enum im_err err;

	*place = NULL;
	if (!url)
		return err_set(IM_ERR_NOMEM, "out of memory");
	err = curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK
	    ? post_check_parts(url, place)
	    : err_set(IM_ERR_ARGUMENT, "the webhook's URL is malformed or its scheme unknown");
	curl_url_cleanup(url);
	return err;
}

/* Keeps the beginning of an answer; what follows it is read and forgotten. */
static size_t
post_take_answer(char *data, size_t size, size_t n, void *arg)
{
	struct alert_post *p = (struct alert_post *)arg;
	size_t room = POST_ANSWER_MAX - p->answer.len;

	buf_append(&p->answer, data, size * n < room ? size * n : room);
	return size * n;
}

static bool
post_set_security(CURL *easy, const struct alert_options *o)
{
	bool ok = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;

	if (ok && o->ca_file && o->ca_file[0])
		ok = curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_file) == CURLE_OK &&
		    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
	if (ok && o->username && o->username[0])
		ok = curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK &&
		    curl_easy_setopt(easy, CURLOPT_USERNAME, o->username) == CURLE_OK &&
		    curl_easy_setopt(easy, CURLOPT_PASSWORD, o->password ? o->password : "") ==
			CURLE_OK;
	return ok;
}

static bool
post_set_up(struct alert_post *p, const struct alert_options *o)
{
	long timeout_ms = o->timeout_ms ? (long)o->timeout_ms : (long)POST_TIMEOUT_MS;

	return curl_easy_setopt(p->easy, CURLOPT_URL, o->url) == CURLE_OK &&
	    curl_easy_setopt(p->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	    curl_easy_setopt(p->easy, CURLOPT_ERRORBUFFER, p->error) == CURLE_OK &&
	    curl_easy_setopt(p->easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
	    curl_easy_setopt(p->easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) == CURLE_OK &&
	    curl_easy_setopt(p->easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
	    curl_easy_setopt(p->easy, CURLOPT_USERAGENT, "immudb-auditor/" IMMUDB_VERSION) ==
	    CURLE_OK &&
	    curl_easy_setopt(p->easy, CURLOPT_WRITEFUNCTION, post_take_answer) == CURLE_OK &&
	    curl_easy_setopt(p->easy, CURLOPT_WRITEDATA, p) == CURLE_OK &&
	    post_set_security(p->easy, o);
}

enum im_err
alert_post_open(const struct alert_options *options, struct alert_post **out)
{
	struct alert_post *p;
	enum im_err err;

	*out = NULL;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(IM_ERR_NOMEM, "libcurl cannot be initialized");
	p = (struct alert_post *)calloc(1, sizeof *p);
	if (!p) {
		curl_global_cleanup();
		return err_set(IM_ERR_NOMEM, "out of memory");
	}
	buf_init(&p->secret, POST_SECRET_MAX);
	buf_init(&p->answer, POST_ANSWER_MAX);
	err = post_check_url(options->url, &p->place);
	if (!err)
		err = post_read_secret(options->secret_file, &p->secret);
	if (!err) {
		p->easy = curl_easy_init();
		p->multi = curl_multi_init();
		if (!p->easy || !p->multi || !post_set_up(p, options))
			err = err_set(IM_ERR_NOMEM, "libcurl cannot be set up");
	}
	if (!err && strncmp(p->place, "http:", 5) == 0)
		log_warn("alerts go to %s without TLS: anyone on the way can read%s them", p->place,
		    p->secret.len ? "" : " and forge");
	if (err)
		alert_post_close(p);
	else
		*out = p;
	return err;
}

void
alert_post_close(struct alert_post *p)
{
	if (!p)
		return;
	curl_easy_cleanup(p->easy);
	curl_multi_cleanup(p->multi);
	buf_wipe(&p->secret);
	buf_free(&p->answer);
	free(p->place);
	free(p);
	curl_global_cleanup();
}

void
alert_post_abort(struct alert_post *p)
{
	atomic_store(&p->aborted, true);
	(void)curl_multi_wakeup(p->multi);
}

/* Adds a header; false without memory. */
static bool
post_add_header(struct curl_slist **list, const char *name, const char *value)
{
	char line[POST_HEADER_MAX];
	struct curl_slist *longer;
	int n = snprintf(line, sizeof line, "%s: %s", name, value);

	if (n < 0 || (size_t)n >= sizeof line)
		return false;
	longer = curl_slist_append(*list, line);
	if (longer)
		*list = longer;
	return longer != NULL;
}

static bool
post_make_headers(
    const struct alert_post *p, const char *id, struct bytes body, struct curl_slist **list)
{
	char timestamp[24], signature[ALERT_SIGNATURE_SIZE];

	snprintf(timestamp, sizeof timestamp, "%lld", (long long)clock_wall_s());
	return post_add_header(list, "Content-Type", "application/json") &&
	    post_add_header(list, "X-Audit-Alert-Id", id) &&
	    post_add_header(list, "X-Audit-Timestamp", timestamp) &&
	    (p->secret.len == 0 ||
		post_add_header(list, "X-Audit-Signature",
		    alert_post_sign(buf_bytes(&p->secret), timestamp, body, signature)));
}

/* Runs the transfer until it is done; false when it was aborted. */
static bool
post_run(struct alert_post *p, CURLcode *code)
{
	int running = 1, left;
	CURLMsg *message;

	*code = CURLE_FAILED_INIT;
	while (!atomic_load(&p->aborted) && running) {
		if (curl_multi_perform(p->multi, &running) != CURLM_OK)
			return true;
		if (running && curl_multi_poll(p->multi, NULL, 0, POST_POLL_MS, NULL) != CURLM_OK)
			return true;
	}
	while ((message = curl_multi_info_read(p->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			*code = message->data.result;
	return !running;
}

/* What went wrong before there was an answer. */
static enum alert_result
post_judge_failure(const struct alert_post *p, CURLcode code, struct alert_outcome *out)
{
	const char *why = p->error[0] ? p->error : curl_easy_strerror(code);

	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return alert_outcome_set(
		    out, ALERT_REFUSED, "%s: its certificate does not verify: %s", p->place, why);
	default:
		return alert_outcome_set(out, ALERT_FAILED, "%s: %s", p->place, why);
	}
}

static enum alert_result
post_judge_status(const struct alert_post *p, long status, struct alert_outcome *out)
{
	int len = (int)p->answer.len;
	const char *answer = len ? (const char *)p->answer.data : "";

	switch (status) {
	case POST_OK:
	case POST_CREATED:
	case POST_ACCEPTED:
	case POST_NO_CONTENT:
		return alert_outcome_set(out, ALERT_DELIVERED, "%s: status %ld", p->place, status);
	case POST_REQUEST_TIMEOUT:
	case POST_TOO_MANY:
		break;
	default:
		if (status >= POST_REDIRECTION && status < POST_CLIENT_ERROR)
			return alert_outcome_set(out, ALERT_REFUSED,
			    "%s: status %ld: redirections are not followed", p->place, status);
		if (status < POST_SERVER_ERROR)
			return alert_outcome_set(out, ALERT_REFUSED, "%s: status %ld: %.*s",
			    p->place, status, len, answer);
	}
	return alert_outcome_set(
	    out, ALERT_FAILED, "%s: status %ld: %.*s", p->place, status, len, answer);
}

/* How the transfer ended. */
static enum alert_result
post_judge(struct alert_post *p, CURLcode code, struct alert_outcome *out)
{
	curl_off_t after = 0;
	long status = 0;

	if (code != CURLE_OK)
		return post_judge_failure(p, code, out);
	(void)curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(p->easy, CURLINFO_RETRY_AFTER, &after);
	(void)post_judge_status(p, status, out);
	if (out->result == ALERT_FAILED && after > 0 && after <= INT32_MAX / 1000)
		out->retry_after_ms = (unsigned int)after * 1000;
	return out->result;
}

enum alert_result
alert_post_send(struct alert_post *p, const char *id, struct bytes body, struct alert_outcome *out)
{
	struct curl_slist *headers = NULL;
	CURLcode code;
	bool done;

	buf_clear(&p->answer);
	p->error[0] = '\0';
	if (!post_make_headers(p, id, body, &headers) ||
	    curl_easy_setopt(p->easy, CURLOPT_POSTFIELDS, body.data) != CURLE_OK ||
	    curl_easy_setopt(p->easy, CURLOPT_POSTFIELDSIZE, (long)body.len) != CURLE_OK ||
	    curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
	    curl_multi_add_handle(p->multi, p->easy) != CURLM_OK) {
		curl_slist_free_all(headers);
		return alert_outcome_set(out, ALERT_FAILED, "out of memory");
	}
	done = post_run(p, &code);
	if (!done)
		/* A name that is being looked up would keep us waiting. */
		(void)curl_easy_setopt(p->easy, CURLOPT_QUICK_EXIT, 1L);
	(void)curl_multi_remove_handle(p->multi, p->easy);
	(void)curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	return done ? post_judge(p, code, out) : alert_outcome_set(out, ALERT_ABORTED, "stopped");
}
