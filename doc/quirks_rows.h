/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preprocessed only, never compiled: turns quirks.def and QUIRK_LIST into lines for quirks.awk. */
#define ENABLE_SEC1210_SYNC 1
#define ENABLE_COMPOSITE_AS_MULTISLOT 1
#define TEXT(...) #__VA_ARGS__
#define ANY any
#define FW(from, to) from-to
#define ALL_FW all
#define F(name) name
#define NO_FLAGS none
#define V(...) TEXT(__VA_ARGS__)
#define NO_VALUES ""
#define QUIRK(v, p, fw, flags, values, why, where) @row @@ v @@ p @@ fw @@ flags @@ values @@ why @@ where @@
#define TOO_OLD(v, p, good, name) @row @@ v @@ p @@ before good @@ OLD_FIRMWARE @@ "" @@ \
	name ": older firmware is refused" @@ "ifdDriverOptions 0x04 accepts it" @@
#include "quirks/quirks.h"
#define X(name, doc) @flag @@ name @@ doc @@
QUIRK_LIST(X)
#undef X
#include "quirks/quirks.def"
