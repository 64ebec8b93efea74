# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Sourced by the scripts of this folder: TAP, and the package that all of them test.
#
# TARBALL=FILE	tests this package instead of a new one from the source tree
# KEEP=1	keeps the work folder, and prints its path

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/var/tmp}/ifd-ccid-package.XXXXXX") || exit 99
# shellcheck source=tests/check/tap.sh
. "$top/tests/check/tap.sh"

finish() {
	local status=$?

	if [ -n "$KEEP" ]; then
		echo "# work: $work"
	else
		rm -rf --one-file-system "$work"
	fi
	exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# need NAME COMMAND...: a case whose failure ends the script.
need() {
	local before=$failed

	check "$@"
	[ "$failed" = "$before" ] || plan
}

# take_in FILE: counts the TAP cases of another program with ours.
take_in() {
	local line

	while IFS= read -r line; do
		case $line in
		"ok "*) count=$((count + 1)); echo "ok $count - ${line#*- }" ;;
		"not ok "*)
			count=$((count + 1)) failed=$((failed + 1))
			echo "not ok $count - ${line#*- }"
			;;
		*) echo "# $line" ;;
		esac
	done <"$1"
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

version() {
	sed -n 's/^AC_INIT(\[ifd-ccid\], \[\([^]]*\)\].*/\1/p' "$top/configure.ac"
}

jobs_here() {
	nproc 2>/dev/null || echo 2
}

# Copies the package to $work/ifd-ccid-VERSION.tar.xz: TARBALL, or a new one.
make_package() {
	package=ifd-ccid-$(version)
	if [ -n "$TARBALL" ]; then
		cp "$TARBALL" "$work/$package.tar.xz"
		return
	fi
	(
		cd "$top" || exit 1
		if [ ! -x configure ] || [ configure.ac -nt configure ] || [ Makefile.am -nt Makefile.in ] || [ tests/tests.am -nt Makefile.in ]; then
			./autogen.sh || exit 1
		fi
		mkdir "$work/dist" && cd "$work/dist" && "$top/configure" && make -s dist &&
			mv "$package.tar.xz" "$work/"
	)
}

unpack() {
	mkdir -p "$1" && tar xJf "$work/$package.tar.xz" -C "$1"
}
