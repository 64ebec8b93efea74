/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preprocessed only, never compiled: turns quirks.def, QUIRK_LIST and QUIRK_VALUES into what quirks.awk and
 * readers/make_rules.awk read. */
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
#define TOO_OLD(v, p, good, name) @old @@ v @@ p @@ good @@ name @@
#include "quirks/quirks.h"
#define X(name, area, doc) @flag @@ name @@ doc @@
QUIRK_LIST(X)
#undef X
#define X(type, name, max, doc) @value @@ name @@ doc @@ max @@
QUIRK_VALUES(X)
#undef X
#include "quirks/quirks.def"
#define ATR(...) TEXT(__VA_ARGS__)
#define CARD(atr, values, why, where) @card @@ atr @@ values @@ why @@ where @@ @@
#include "quirks/cards.def"
