#ifndef AUDITOR_WEB_HTML_H
#define AUDITOR_WEB_HTML_H

#include "web_view.h"

/*
 * Private to the web_*.c files: pieces of HTML. Every text that is not ours goes through
 * html_text() or html_name(); nothing here can open a tag, an attribute or an entity with it. All
 * append to out.
 */

/* A text for content and quoted attributes: markup escaped, bytes that steer (controls, text
 * direction) or are not UTF-8 as U+FFFD. */
void html_text(struct buf *out, const char *text);

/* html_text() that cannot turn the direction of what is around it. */
void html_name(struct buf *out, const char *name);

/* One segment of a path in a link, percent-encoded. */
void html_segment(struct buf *out, const char *name);

/* 1234567 as 1,234,567. */
void html_number(struct buf *out, uint64_t n);

/* Seconds in words of at most two units: "3 min 20 s". */
void html_duration(struct buf *out, double seconds);

/* When something was or will be, against the view's time: "3 min ago", "in 20 s", "never" for 0. */
void html_when(const struct web_view *view, double at, struct buf *out);

/* The same with the time itself before it. */
void html_time(const struct web_view *view, double at, struct buf *out);

/* "transactions 5 to 9"; nothing when they are not known. */
void html_suspects(const struct report_database *d, struct buf *out);

/* "ok", "alarm", "error" or "unknown": the class that colours a verdict. */
const char *html_class(enum audit_verdict verdict);

/* The verdict's word with its sign, which tells the classes apart without colour. */
void html_badge(struct buf *out, enum audit_verdict verdict);

/* Opens an item of a list of pairs, with its name, and closes it behind its value. */
void html_begin_item(struct buf *out, const char *name);
void html_end_item(struct buf *out);

/* A link to the evidence of a database, when there is some; its file name when it is not served. */
void html_evidence(const struct web_view *view, const struct report_database *d, struct buf *out);

/* The file name in a path. */
const char *html_file_name(const char *path);

/* The head of a page and the opening of its body; the foot and the end. */
void html_begin(
    const struct web_view *view, const char *title, enum audit_verdict verdict, struct buf *out);
void html_end(const struct web_view *view, struct buf *out);

/* The large line with a verdict: its sign, a title, a sentence, and the reason unless it is "". */
void html_banner(struct buf *out, enum audit_verdict verdict, const char *reason);

/* A sentence of ours from its text in the table of verdicts: a capital first, a full stop last. */
void html_sentence(struct buf *out, const char *text);

/* A state in words: its transaction, whether it is signed, its hash. */
void html_state(const struct report_state *state, struct buf *out);

/* What is held against a database and what to do, below a heading of the caller's (web_alarm.c). */
void html_alarm(const struct web_view *view, const struct report_database *d, struct buf *out);

/* The style of all pages, and its digest as the content security policy wants it. */
extern const char html_style[];
void html_security_policy(struct buf *out);

#endif
