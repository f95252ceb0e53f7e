#ifndef AUDITOR_WEB_CHART_H
#define AUDITOR_WEB_CHART_H

#include "report.h"
#include "util/bytes.h"

/*
 * Private to the web_*.c files: drawings as inline SVG, each with a text for those who do not see
 * it.
 */

/* The growth of a history as a small line, for a cell of a table. */
void chart_growth_small(const struct report_database *d, struct buf *out);

/* The same with axes and figures, for a page of its own. */
void chart_growth_large(const struct report_database *d, struct buf *out);

/* The last rounds as ticks, the newest at the right; height and colour tell how they ended. */
void chart_rounds(const struct report_database *d, struct buf *out);

#endif
