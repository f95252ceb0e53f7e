/* Methods that this server refuses. Neighbour: dispatch.c. */
#include "server/call.h"

enum im_err
handle_UpdateDatabaseV2(struct call *c)
{
	(void)c;
	return err_set(
	    IM_ERR_UNIMPLEMENTED, "%s: UpdateDatabaseV2", err_text(IM_ERR_UNIMPLEMENTED));
}

enum im_err
handle_LoadDatabase(struct call *c)
{
	(void)c;
	return err_set(IM_ERR_UNIMPLEMENTED, "%s: LoadDatabase", err_text(IM_ERR_UNIMPLEMENTED));
}

enum im_err
handle_UnloadDatabase(struct call *c)
{
	(void)c;
	return err_set(IM_ERR_UNIMPLEMENTED, "%s: UnloadDatabase", err_text(IM_ERR_UNIMPLEMENTED));
}

enum im_err
handle_DeleteDatabase(struct call *c)
{
	(void)c;
	return err_set(IM_ERR_UNIMPLEMENTED, "%s: DeleteDatabase", err_text(IM_ERR_UNIMPLEMENTED));
}

enum im_err
handle_GetDatabaseSettingsV2(struct call *c)
{
	(void)c;
	return err_set(
	    IM_ERR_UNIMPLEMENTED, "%s: GetDatabaseSettingsV2", err_text(IM_ERR_UNIMPLEMENTED));
}

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
