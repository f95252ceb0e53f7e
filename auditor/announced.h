#ifndef AUDITOR_ANNOUNCED_H
#define AUDITOR_ANNOUNCED_H

#include "round.h"

/*
 * Restores that the server's operator has announced. A history that is not there any more may have
 * been put back on purpose; then the server holds a notice of that, and the finding gets the milder
 * name rolled-back-announced. It is an alarm all the same, until somebody acknowledges it.
 *
 * A notice counts only if all of this is so:
 *
 *	it is of this server and this database, and signed by one of the configured public keys;
 *	it took back what was proven: that is newer than what was restored, and not newer than what was
 *	there before, if that is known;
 *	what was restored is part of the history that the server shows now, by a proof that holds;
 *	it was made after what it took back was proven, by the clocks of both, and has not explained an
 *	alarm that is settled: an old notice is good for one restore.
 *
 * Without a configured key none counts. Whoever answers at the address could have written it, so
 * that it would only make a lie sound better; it is mentioned in the reason and is in the evidence.
 */

/* How far the clocks of server and auditor may be apart. */
#define ANNOUNCED_SKEW_S 300
/* Notices of one answer that are looked at; a server gives no more. */
#define ANNOUNCED_NOTICES_MAX 16

/*
 * After a round has found something: asks the server for notices if it may have been a restore, and
 * changes verdict, reason and range of the finding. What goes wrong here changes nothing.
 */
void announced_look(struct round *r);

#endif
