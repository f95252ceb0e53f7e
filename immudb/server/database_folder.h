#ifndef SERVER_DATABASE_FOLDER_H
#define SERVER_DATABASE_FOLDER_H

#include "meta/meta.h"

/* The folders of databases in the data folder; names are those of the metadata file. May wait. */

/*
 * A name for the folder of a new database: the database's own, unless something else has that name
 * already: then with a number behind it. IM_ERR_EXISTS when there is none left, IM_ERR_LIMIT.
 */
enum im_err
database_folder_choose(const char *dir, const char *name, char out[META_DATABASE_MAX + 1]);

/*
 * Whether the folder holds the marker of a database. IM_ERR_LIMIT (the path is too long); when that
 * cannot be seen, IM_ERR_PERMISSION (the folder is another user's, with both user ids), IM_ERR_IO.
 */
enum im_err database_folder_is_marked(const char *dir, const char *folder, bool *marked);

/*
 * Removes the folder with all that is in it, for ever and durably; links are not followed. IM_OK
 * when it is not there. IM_ERR_IO, with the path in the detail.
 */
enum im_err database_folder_remove(const char *dir, const char *folder);

#endif
