#ifndef TORTURE_H
#define TORTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What the preloaded library of this folder (torture_preload.c) and the tests that drive it share:
 * a page of memory through which a test says, at any time, which call of a process is to fail, and
 * sees what happened.
 *
 * Preloaded are the calls by which a process gets memory (malloc and its relatives, mmap), threads
 * and descriptors, as made by the program and by all of its libraries.
 */

/* The environment variable that names the descriptor of the page. */
#define TORTURE_VARIABLE "IMMU_TORTURE_FD"
#define TORTURE_SITE_MAX 2048

enum torture_kind {
	TORTURE_MEMORY, /* malloc, calloc, realloc, aligned_alloc, mmap ...: ENOMEM */
	TORTURE_OWN,    /* those of them that the program makes itself, or the C library for it */
	TORTURE_THREAD, /* pthread_create: EAGAIN */
	TORTURE_FILE,   /* open, socket, accept, pipe, epoll_create ...: EMFILE */
	TORTURE_KINDS
};

/* Zero: nothing fails. */
struct torture_control {
	_Atomic uint64_t calls[TORTURE_KINDS]; /* made so far; may be set */
	_Atomic uint64_t first;                /* the call that fails, counted from 1; 0: none */
	_Atomic uint64_t last;                 /* so do those up to this one */
	_Atomic uint64_t made;                 /* calls of the kind until the scene's end */
	_Atomic uint32_t kind;                 /* of torture_kind */
	_Atomic uint32_t failed;               /* calls that were made to fail */
	_Atomic uint32_t spared;     /* calls left alone for a reason of torture_spared.def */
	char site[TORTURE_SITE_MAX]; /* where the first of them was made: a backtrace */
};

#endif
