/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ERR_BY_NAME_H
#define ERR_BY_NAME_H

/* Names of errors in the conversations of the tests. */
#include "unit/unit_cmocka.h"
#include "util/err.h"

#include <string.h>

/* The error whose err_name() is `name`; an unknown name ends the test. */
static enum ccid_err err_by_name(const char *name)
{
	for (int i = 0; i < CCID_ERR_COUNT; i++)
		if (strcmp(err_name((enum ccid_err)i), name) == 0)
			return (enum ccid_err)i;
	fail_msg("no error has the name \"%s\"", name);
	return CCID_ERR_COUNT;
}

#endif
