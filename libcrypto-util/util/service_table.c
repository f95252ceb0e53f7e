/*
 * What services there are. The units are those of packaging/systemd, which are part of the program.
 */
#include <string.h>

#include "util/service_internal.h"

extern const unsigned char service_immudb_service_in[], service_immugw_service_in[],
    service_auditor_service_in[], service_shared_sysusers[], service_shared_logrotate[];
extern const size_t service_immudb_service_in_size, service_immugw_service_in_size,
    service_auditor_service_in_size, service_shared_sysusers_size, service_shared_logrotate_size;

const struct service_def service_table[] = {
    {.name = "immudb",
	.programs = {"immudb"},
	.unit = service_immudb_service_in,
	.unit_size = &service_immudb_service_in_size},
    {.name = "immugw",
	.programs = {"immugw", "auditor"},
	.question = "To provide the maximum level of security, we recommend running immugw on a "
		    "different machine than immudb server. Continue ? [Y/n]",
	.unit = service_immugw_service_in,
	.unit_size = &service_immugw_service_in_size},
    {.name = "immudb-auditor",
	.programs = {"auditor"},
	.unit = service_auditor_service_in,
	.unit_size = &service_auditor_service_in_size},
};

const size_t service_count = sizeof service_table / sizeof *service_table;

const struct service_def *
service_by_name(const char *name)
{
	for (size_t i = 0; i < service_count; i++)
		if (strcmp(service_table[i].name, name) == 0)
			return &service_table[i];
	return NULL;
}

const struct service_def *
service_by_program(const char *program)
{
	for (size_t i = 0; i < service_count; i++)
		if (strcmp(service_table[i].programs[0], program) == 0)
			return &service_table[i];
	return NULL;
}

struct bytes
service_sysusers(void)
{
	return bytes_of(service_shared_sysusers, service_shared_sysusers_size);
}

struct bytes
service_logrotate(void)
{
	return bytes_of(service_shared_logrotate, service_shared_logrotate_size);
}
