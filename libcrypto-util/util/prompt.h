#ifndef UTIL_PROMPT_H
#define UTIL_PROMPT_H

#include "util/bytes.h"

/* Reading secrets and answers from a person, or from a pipe in place of one. Main thread only. */

/* Longest line that is taken. */
#define PROMPT_MAX_BYTES 4096u

/*
 * Reads a password into out, without its line end. When stdin is a terminal, shows prompt on stderr
 * and reads with echo off; the terminal is restored whatever happens, and a signal that arrives
 * meanwhile (SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP) is delivered again afterwards; if the
 * process survives it the answer is IM_ERR_INTERRUPTED (after SIGTSTP the question is put again).
 * When stdin is not a terminal, takes its next line, without a prompt, byte by byte, so that what
 * follows is left for the next reader. out is wiped and empty on failure: IM_ERR_FORMAT at the end
 * of input or for a NUL, IM_ERR_LIMIT, IM_ERR_IO. The caller wipes out.
 */
enum im_err prompt_password(const char *prompt, struct buf *out);

/*
 * Asks for a line on stderr when stdin is a terminal, and puts it into out, without its end and
 * echoed as it is typed. IM_ERR_FORMAT at the end of input or when stdin is not a terminal,
 * IM_ERR_LIMIT, IM_ERR_IO.
 */
enum im_err prompt_line(const char *question, struct buf *out);

/*
 * Asks a yes/no question on stderr when stdin is a terminal. Returns true for an answer that begins
 * with y or Y; everything else, end of input and a stdin that is not a terminal are false.
 */
bool prompt_confirm(const char *question);

#endif
