#ifndef BANNER_H
#define BANNER_H

#include "util/bytes.h"

/* What immudb says when it has started: its name and the configuration that is in force. */
struct banner {
	const char *dir;
	const char *address;
	uint16_t port;
	const char *metrics_address;
	uint16_t metrics_port; /* 0: no metrics */
	const char *unix_path; /* NULL or "": left out, as the next three */
	const char *config_file;
	const char *pidfile;
	const char *logfile;
	bool mtls;
	const char *fingerprint; /* of the TLS certificate; NULL or "": no TLS */
	size_t max_message_bytes;
	bool auth;
	bool devmode;
	const char *database;
	bool synced;
	bool signing;
	bool default_password; /* then the credentials are shown, as everybody knows them */
};

/* Appends the text, several lines. Failure is kept in out. Pure. */
void banner_write(const struct banner *b, struct buf *out);

#endif
