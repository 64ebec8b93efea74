#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every header compiles alone: it includes what it needs.
# From make: top_srcdir, top_builddir, CC, CHECK_CPPFLAGS.
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}"
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
n=0

compiles() {
	# shellcheck disable=SC2086 # both hold several words
	$CC $CHECK_CPPFLAGS -Wall -Wextra -Werror -fsyntax-only -x c "$1" 2>"$work/err"
}

result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed 's/^/# /' "$work/err"
	fi
}

for header in "$top_srcdir"/src/*/*.h "$top_srcdir"/sim/*/*.h "$top_srcdir"/tests/fake/*.h; do
	name=${header#"$top_srcdir"/}
	case $name in
	*'*'*) continue ;;	# nothing matched
	*/usb_*.h) [ "$WITH_LIBUSB" = no ] && continue ;;
	esac
	printf '#include "%s"\n' "$name" >"$work/one.c"
	compiles "$work/one.c"
	result $? "$name"
done

# A header that depends on another one must be found.
printf 'uint8_t unknown_type;\n' >"$work/bad.h"
printf '#include "%s/bad.h"\n' "$work" >"$work/one.c"
if compiles "$work/one.c"; then false; else true; fi
result $? "a header that lacks an include is found"
echo "1..$n"
