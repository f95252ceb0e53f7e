#ifndef MODEL_STATE_H
#define MODEL_STATE_H

#include "sample_data.h"

/*
 * What a database holds, kept in plain arrays, and what the rules say of a write before it is made
 * and of a read. Made from the rules of the interface, not from the server. One thread.
 */

/* Writes of one transaction, and what may be wrong with it at once. */
#define MODEL_WRITES_MAX 8u
#define MODEL_FAULTS_MAX 32u
#define MODEL_CONDITIONS_MAX 2u

enum model_kind { MODEL_VALUE, MODEL_REFERENCE, MODEL_DELETED, MODEL_MEMBER };

/* An entry: one version of a key, or one member of a set. */
struct model_entry {
	uint64_t tx;
	enum model_kind kind;
	unsigned key; /* by number; of MODEL_MEMBER the one that it names */
	struct immu_metadata metadata;
	uint64_t value;  /* of MODEL_VALUE, by number */
	unsigned target; /* of MODEL_REFERENCE, by number */
	uint64_t at_tx; /* of MODEL_REFERENCE and MODEL_MEMBER; IMMU_THIS_TX before it is written */
	unsigned set;   /* of MODEL_MEMBER, by number */
	unsigned score; /* of MODEL_MEMBER, by number */
};

struct model_condition {
	enum immu_condition condition;
	unsigned key;
	uint64_t tx;
};

/* A transaction in the making. */
struct model_write {
	enum immu_op op;
	struct model_entry entries[MODEL_WRITES_MAX];
	unsigned len;
	struct model_condition conditions[MODEL_CONDITIONS_MAX];
	unsigned conditions_len;
	uint64_t since_tx;
};

/*
 * Everything that is wrong with a request: the answer is one of these, or IM_OK if there are none.
 */
struct model_faults {
	enum im_err items[MODEL_FAULTS_MAX];
	unsigned len;
};

struct model_tx {
	struct model_entry entries[MODEL_WRITES_MAX];
	unsigned len;
};

/* The versions of a key that its index has, oldest first. */
struct model_history {
	struct model_entry *items;
	size_t len;
};

struct model {
	struct model_tx *txs; /* by id, from 1 */
	uint64_t tx;          /* the newest */
	struct model_history keys[SAMPLE_KEYS];
	struct model_entry *members; /* each once, in the order of zscans */
	size_t members_len;
};

/* What a read by key shows. */
struct model_shown {
	const struct model_entry *entry;
	uint64_t revision;             /* 0: it is not indexed */
	const struct model_entry *via; /* the reference that led there; NULL: none */
	uint64_t via_revision;
};

/* An empty database; model_free() releases it. */
void model_init(struct model *m);
void model_free(struct model *m);

/* Everything that forbids the write. */
void model_judge(const struct model *m, const struct model_write *w, struct model_faults *faults);

/* Does a write that nothing forbids. */
void model_apply(struct model *m, const struct model_write *w);

/* Forgets all transactions after that one. */
void model_truncate(struct model *m, uint64_t tx);

void model_fault(struct model_faults *faults, enum im_err err);
bool model_expects(const struct model_faults *faults, enum im_err err);

/* The version that the transaction wrote, or with 0 the newest one; NULL: none. */
const struct model_entry *model_version(const struct model *m, unsigned key, uint64_t at_tx);

/* The place of a version among those of its key, from 1; 0 when it is not indexed. */
uint64_t model_revision(const struct model *m, const struct model_entry *entry);

/* There, and neither deleted nor expired. */
bool model_is_alive(const struct model_entry *entry);
bool model_is_expired(const struct model_entry *entry);

/* Follows a reference one step. IM_ERR_KEY_NOT_FOUND, IM_ERR_RESOLUTION. */
enum im_err
model_resolve(const struct model *m, const struct model_entry *entry, struct model_shown *out);

/* The numbers of all keys that a scan sees, ascending by their bytes: how many. */
size_t model_keys_alive(const struct model *m, unsigned out[SAMPLE_KEYS]);

/* The order of two members of one set in a zscan. */
int model_compare_members(const struct model_entry *a, const struct model_entry *b);

#endif
