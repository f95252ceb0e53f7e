/* Signals that ask long work to end. Neighbours: import, export, watch, shell. */
#include "interrupt.h"

#include <signal.h>
#include <unistd.h>

#define PATIENCE 2

static volatile sig_atomic_t count;

static void
on_signal(int number)
{
	if (count == PATIENCE)
		_exit(128 + number);
	count++;
}

static void
install(void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

void
interrupt_catch(void)
{
	count = 0;
	install(on_signal);
}

void
interrupt_release(void)
{
	install(SIG_DFL);
}

unsigned
interrupt_count(void)
{
	return (unsigned)count;
}
