/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input: which allocation fails, then an Info.plist. */
#include "fuzz/fuzz.h"
#include "util/plist.h"

#include <stdlib.h>
#include <string.h>

const char fuzz_name[] = "plist";

static const char *const keys[] = {
	"ifdVendorID", "ifdProductID", "ifdFriendlyName", "ifdLogLevel", "ifdDriverOptions", "ifdCapabilities", "", "a",
};

#define N_KEYS (sizeof keys / sizeof keys[0])

/* Reads all strings of all keys, and checks that together they are not too long for the text. */
static size_t read_all(const struct plist *p, size_t len)
{
	size_t total = 0;

	for (size_t k = 0; k < N_KEYS; k++) {
		size_t n = plist_count(p, keys[k]);

		FUZZ_CHECK(n <= len);
		for (size_t i = 0; i < n; i++) {
			const char *s = plist_get(p, keys[k], i);

			FUZZ_CHECK(s != NULL);
			total += strlen(s) + 1;
		}
		FUZZ_CHECK(plist_get(p, keys[k], n) == NULL);
	}
	/* An entity is longer than what it stands for; a key may be asked for twice at most. */
	FUZZ_CHECK(total <= 2 * len + N_KEYS);
	return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = fuzz_input(data, len);
	unsigned nth = fuzz_u8(&in);
	char *text = (char *)fuzz_copy(in.p, in.left);
	struct plist *whole = NULL, *short_of_memory = NULL;
	struct plist_error e = { 0 };
	enum ccid_err err = plist_parse(&whole, text, in.left, &e), second;
	size_t total = 0;

	FUZZ_CHECK(err == CCID_OK || err == CCID_ERR_CONFIG);
	if (err == CCID_OK)
		total = read_all(whole, in.left);
	else
		FUZZ_CHECK(e.why != NULL);
	fuzz_fail_alloc(nth, nth & 1);
	second = plist_parse(&short_of_memory, text, in.left, &e);
	fuzz_fail_alloc(0, false);
	FUZZ_CHECK(second == err || second == CCID_ERR_NOMEM);
	if (second == CCID_OK)
		FUZZ_CHECK(read_all(short_of_memory, in.left) == total);
	if (err == CCID_OK)
		plist_free(whole);
	if (second == CCID_OK)
		plist_free(short_of_memory);
	free(text);
	return 0;
}
