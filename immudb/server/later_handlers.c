/* Methods that this server refuses. Neighbour: dispatch.c. */
#include "server/call.h"

enum im_err
handle_FlushIndex(struct call *c)
{
	(void)c;
	return err_set(IM_ERR_UNIMPLEMENTED, "%s: FlushIndex", err_text(IM_ERR_UNIMPLEMENTED));
}

enum im_err
handle_CompactIndex(struct call *c)
{
	(void)c;
	return err_set(IM_ERR_UNIMPLEMENTED, "%s: CompactIndex", err_text(IM_ERR_UNIMPLEMENTED));
}
