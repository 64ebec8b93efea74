/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FUZZ_SESSION_H
#define FUZZ_SESSION_H

#include "fuzz/fuzz_driver.h"
#include "sim/model/sim_card.h"
#include "sim/model/sim_dev.h"

/* The reader that the input names: a row of the reader table, with a suitable card in each slot. */
struct sim_dev *fuzz_reader(struct fuzz_in *in, unsigned *protocol, const char **card);

#endif
