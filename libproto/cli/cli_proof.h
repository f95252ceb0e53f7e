#ifndef CLI_CLI_PROOF_H
#define CLI_CLI_PROOF_H

#include "client/immu_proof.h"
#include "util/output.h"

/*
 * The work of the command "verify" of every program that has it: checks an offline proof or
 * evidence in the file at path, and shows what it says and how far it holds. The error is that of
 * the check, with the path in front of its detail.
 */
enum im_err
cli_proof_verify(struct output *o, const char *path, const struct immu_proof_options *options);

#endif
