/* What follows from a round: trusted states, alarms that stay, evidence once, and the report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "round_end.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "temp_dir.h"

#define SERVER "cq0a0000000000000000"
#define DATABASE "shop"

/* An auditor of one database, without a server. */
struct fixture {
	char dir[TEMP_DIR_MAX];
	struct report report;
	struct audit_options options;
	struct round_env env;
	struct round_memory memory;
	atomic_bool stop;
};

static int
set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.memory = {.name = DATABASE}};
	temp_dir_make(f.dir);
	assert_int_equal(report_init(&f.report, "db:3322", 60), IM_OK);
	f.options = (struct audit_options){.state_dir = f.dir, .report = &f.report};
	f.env = (struct round_env){.options = &f.options,
	    .server_id = SERVER,
	    .address = "db:3322",
	    .stop = &f.stop,
	    .number = 1};
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	report_free(&f->report);
	temp_dir_remove(f->dir);
	return 0;
}

/* Ends a round that has seen transaction tx with a verdict; gives the row of the report. */
static const struct report_database *
end_round(struct fixture *f, enum audit_verdict verdict, uint64_t tx)
{
	struct audit_record_name name = {f->dir, SERVER, DATABASE};
	struct round_ending ending = {.memory = &f->memory};
	struct round *r = round_new(&f->env, NULL, DATABASE);
	const struct report_database *d;

	assert_non_null(r);
	assert_int_equal(audit_record_read(&name, &r->record), IM_OK);
	r->has_record = true;
	r->has_trusted = trust_file_read(&r->name, &r->trusted) == IM_OK;
	r->seen.point.id = tx;
	r->seen.point.alh.b[0] = (uint8_t)tx;
	r->has_seen = true;
	r->finding.verdict = verdict;
	if (audit_verdict_info(verdict)->is_tamper)
		snprintf(r->finding.reason, sizeof r->finding.reason, "because");
	r->ended_at = r->started_at;
	round_end(r, &ending);
	round_free(r);
	report_lock(&f->report);
	d = report_database(&f->report, DATABASE);
	report_unlock(&f->report);
	return d;
}

static uint64_t
trusted_tx(const struct fixture *f)
{
	struct trust_name name = {f->dir, SERVER, DATABASE};
	struct trust_state state;

	return trust_file_read(&name, &state) == IM_OK ? state.point.id : UINT64_MAX;
}

#define STATE_PATH_MAX (TEMP_DIR_MAX + 64)

static void
state_path(const struct fixture *f, char path[STATE_PATH_MAX])
{
	snprintf(path, STATE_PATH_MAX, "%s/state-" SERVER "-" DATABASE, f->dir);
}

static size_t
count_evidence(const struct fixture *f)
{
	char path[TEMP_DIR_MAX + 16];
	struct dirent *e;
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof path, "%s/evidence", f->dir);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		n += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static struct audit_record
record_of(const struct fixture *f)
{
	struct audit_record_name name = {f->dir, SERVER, DATABASE};
	struct audit_record record;

	assert_int_equal(audit_record_read(&name, &record), IM_OK);
	return record;
}

static enum im_err
acknowledge(void *arg, struct audit_record *record)
{
	struct audit_record_ack ack = {.at = 1, .verdict = record->verdict, .reason = "known"};

	(void)arg;
	return audit_record_acknowledge(record, &ack);
}

static void
good_rounds_move_the_trusted_state(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(end_round(f, AUDIT_FIRST_SEEN, 5)->verdict, AUDIT_FIRST_SEEN);
	assert_int_equal(trusted_tx(f), 5);
	assert_int_equal(end_round(f, AUDIT_OK, 9)->verdict, AUDIT_OK);
	assert_int_equal(trusted_tx(f), 9);
	assert_int_equal(f->memory.verified.point.id, 9);
	assert_int_equal(record_of(f).points_len, 2);
	/* Nothing new: nothing is added. */
	end_round(f, AUDIT_OK, 9);
	assert_int_equal(record_of(f).points_len, 2);
	assert_int_equal(count_evidence(f), 0);
}

static void
no_other_verdict_moves_it(void **state)
{
	struct fixture *f = *state;

	end_round(f, AUDIT_FIRST_SEEN, 5);
	for (int v = 0; v < AUDIT_VERDICTS; v++) {
		if (v == AUDIT_OK || v == AUDIT_FIRST_SEEN)
			continue;
		end_round(f, (enum audit_verdict)v, 9);
		assert_int_equal(trusted_tx(f), 5);
		assert_int_equal(f->memory.verified.point.id, 5);
	}
}

static void
an_alarm_stays_until_it_is_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct audit_record_name name = {f->dir, SERVER, DATABASE};
	const struct report_database *d;

	end_round(f, AUDIT_FIRST_SEEN, 5);
	d = end_round(f, AUDIT_FORKED, 6);
	assert_int_equal(d->verdict, AUDIT_FORKED);
	assert_string_equal(d->reason, "because");
	d = end_round(f, AUDIT_OK, 7);
	assert_int_equal(d->verdict, AUDIT_FORKED);
	assert_int_equal(d->latest, AUDIT_OK);
	d = end_round(f, AUDIT_UNREACHABLE, 0);
	assert_int_equal(d->verdict, AUDIT_FORKED);
	assert_int_equal(audit_record_update(&name, acknowledge, NULL), IM_OK);
	d = end_round(f, AUDIT_OK, 8);
	assert_int_equal(d->verdict, AUDIT_OK);
	assert_string_equal(d->evidence, "");
}

static void
evidence_is_written_once(void **state)
{
	struct fixture *f = *state;
	struct audit_record_name name = {f->dir, SERVER, DATABASE};
	struct stat st;

	end_round(f, AUDIT_FIRST_SEEN, 5);
	for (int i = 0; i < 3; i++)
		end_round(f, AUDIT_ROLLED_BACK, 4);
	assert_int_equal(count_evidence(f), 1);
	assert_int_equal(stat(record_of(f).evidence, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* As after a restart: the record knows what was told. */
	f->memory.alerted = 0;
	end_round(f, AUDIT_ROLLED_BACK, 4);
	assert_int_equal(count_evidence(f), 1);
	/* Acknowledged, and still so: that is a new alarm. */
	assert_int_equal(audit_record_update(&name, acknowledge, NULL), IM_OK);
	end_round(f, AUDIT_ROLLED_BACK, 4);
	assert_int_equal(count_evidence(f), 2);
}

static void
only_a_worse_alarm_takes_the_place_of_one(void **state)
{
	struct fixture *f = *state;

	end_round(f, AUDIT_FIRST_SEEN, 5);
	assert_int_equal(end_round(f, AUDIT_ROLLED_BACK, 4)->verdict, AUDIT_ROLLED_BACK);
	assert_int_equal(end_round(f, AUDIT_TAMPERED, 6)->verdict, AUDIT_TAMPERED);
	assert_int_equal(end_round(f, AUDIT_SIGNATURE_MISSING, 6)->verdict, AUDIT_TAMPERED);
	assert_int_equal(record_of(f).verdict, AUDIT_TAMPERED);
	/* Each of them was worth a file. */
	assert_int_equal(count_evidence(f), 3);
}

/* A state that was forgotten on purpose: the older ones belong to a history that is over. */
static void
a_new_trust_begins_without_older_states(void **state)
{
	struct fixture *f = *state;
	char path[STATE_PATH_MAX];

	end_round(f, AUDIT_FIRST_SEEN, 50);
	end_round(f, AUDIT_OK, 60);
	assert_int_equal(record_of(f).points_len, 2);
	state_path(f, path);
	assert_int_equal(remove(path), 0);
	end_round(f, AUDIT_FIRST_SEEN, 7);
	assert_int_equal(record_of(f).points_len, 1);
	assert_int_equal(record_of(f).points[0].tx, 7);
}

static void
what_cannot_be_written_is_an_error(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;
	char path[STATE_PATH_MAX];

	end_round(f, AUDIT_FIRST_SEEN, 5);
	/* A folder in the place of the state file. */
	state_path(f, path);
	assert_int_equal(remove(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	d = end_round(f, AUDIT_OK, 9);
	assert_int_equal(d->verdict, AUDIT_ERROR);
	assert_true(d->reason[0] != '\0');
	assert_int_equal(remove(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(good_rounds_move_the_trusted_state, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(no_other_verdict_moves_it, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		an_alarm_stays_until_it_is_acknowledged, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(evidence_is_written_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		only_a_worse_alarm_takes_the_place_of_one, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_new_trust_begins_without_older_states, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_cannot_be_written_is_an_error, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
