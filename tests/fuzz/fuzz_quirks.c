/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input: the ids of a reader, then a file of quirks.d, which is also tried as IFDCCID_QUIRKS. */
#include "fuzz/fuzz.h"
#include "quirks/quirk_files.h"

#include <stdlib.h>
#include <string.h>

const char fuzz_name[] = "quirks";

/* With any text, a reader has known flags only, and numbers that are in range. */
static void in_range(const struct quirk_set *q)
{
	FUZZ_CHECK(q->bits >> QUIRK_COUNT == 0);
#define X(type, name, most, doc) FUZZ_CHECK(q->name <= (most));
	QUIRK_VALUES(X)
#undef X
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = fuzz_input(data, len);
	struct quirk_ids ids = { .idVendor = fuzz_u16(&in), .idProduct = fuzz_u16(&in), .bcdDevice = fuzz_u16(&in) };
	uint8_t *text = fuzz_copy(in.p, in.left);
	char *line = malloc(in.left + 1);
	struct quirk_set q;

	quirks_match(&q, ids.idVendor, ids.idProduct, ids.bcdDevice, NULL);
	in_range(&q);
	quirk_files_text(&q, &ids, "fuzz.quirk", (const char *)text, in.left);
	in_range(&q);
	if (line) {
		memcpy(line, text, in.left);
		line[in.left] = '\0';
		quirks_override(&q, &ids, line);
		in_range(&q);
		FUZZ_CHECK(quirks_check_override(line) <= in.left + 1);
		if (strlen(line) == in.left && quirks_line(&q, &ids, line, in.left))
			FUZZ_CHECK(strchr(line, ';') == NULL && quirks_check_override(line) == 0);
	}
	free(line);
	free(text);
	return 0;
}
