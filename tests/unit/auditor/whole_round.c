/* Whole rounds of an auditor, from its start to its report. */
#include "whole_round.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

const ProtobufCMessage *
whole_round_list(const char *name)
{
	static Immudb__Schema__DatabaseInfo info;
	static Immudb__Schema__DatabaseInfo *infos[] = {&info};
	static Immudb__Schema__DatabaseListResponseV2 list;

	immudb__schema__database_info__init(&info);
	info.name = (char *)(uintptr_t)name;
	immudb__schema__database_list_response_v2__init(&list);
	list.databases = infos;
	list.n_databases = 1;
	return &list.base;
}

const struct report_database *
whole_round_run(const struct audit_options *options, const char *name)
{
	const struct report_database *d;
	enum audit_verdict worst;
	struct audit *audit;

	assert_int_equal(audit_start(options, &audit), IM_OK);
	assert_int_equal(audit_run_round(audit, &worst), IM_OK);
	audit_stop(audit);
	report_lock(options->report);
	d = report_database(options->report, name);
	report_unlock(options->report);
	assert_non_null(d);
	return d;
}
