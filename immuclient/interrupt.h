#ifndef INTERRUPT_H
#define INTERRUPT_H

/*
 * SIGINT and SIGTERM for work that ends by itself: the first one asks for it, the second one not to
 * wait for anything, the third one ends the process. Main thread only.
 */

/* From now on signals are counted, from 0. */
void interrupt_catch(void);

/* Signals are the system's again. */
void interrupt_release(void);

/* How many have come since interrupt_catch(). */
unsigned interrupt_count(void);

#endif
