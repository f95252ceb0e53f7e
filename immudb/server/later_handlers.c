/*
 * Methods of the table that have no handler of their own: refused as not implemented. Who writes the
 * handler of a method takes its line out here.
 */
#include "server/call.h"

#define LATER(Name) \
	enum im_err handle_##Name(struct call *c) \
	{ \
		(void)c; \
		return err_set(IM_ERR_UNIMPLEMENTED, "not implemented: %s", #Name); \
	}


/* Reading. */
LATER(StreamGet)
LATER(StreamVerifiableGet)
LATER(StreamScan)
LATER(StreamZScan)
LATER(StreamHistory)
