#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The core by itself: its needs are those in doc/porting.md; the sample port; other systems' compilers.
# shellcheck disable=SC2086 # $NM and $CC may be several words
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${NM:=nm}"
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
n=0

# check TEXT COMMAND...
check() {
	n=$((n + 1))
	if "${@:2}" >"$work/said" 2>&1; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		sed 's/^/# /' "$work/said"
	fi
}

skip() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

# built FOLDER CC AR CFLAGS: builds the core.
built() {
	CC=$2 AR=$3 CFLAGS=$4 "$top_srcdir/tools/build-core" -o "$work/$1"
}

# Prints the symbols that the library uses but does not define, without the compiler's own helpers for arithmetic.
undefined() {
	$NM "$1" | awk '$1 == "U" { needs[$2] = 1 } $2 ~ /^[A-TV-Z]$/ { has[$3] = 1 }
		END { for (name in needs) if (!(name in has)) print name }' |
		grep -vE '^(__u?(div|mod|divmod)[dt]i[34]|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|\.TOC\.)$' | sort
}

documented() {
	sed -n '/^| function/,/^$/s/^| \(`.*`\) |.*/\1/p' "$top_srcdir/doc/porting.md" | tr -d '`,' |
		awk '{ for (i = 1; i <= NF; i++) print ($i ~ /^_/ ? first : $i) ($i ~ /^_/ ? $i : "")
			if ($1 ~ /^port_mutex/) first = "port_mutex" }' | sed 's/^_/port_mutex_/' | sort
}

needs_what_is_told() {
	undefined "$work/free/libifdccid-core.a" >"$work/needs"
	documented >"$work/told"
	[ -s "$work/needs" ] && diff "$work/told" "$work/needs"
}

# The compiler finds only its own headers and those of the folder freestanding.
freestanding="-O2 -ffreestanding -fno-stack-protector -nostdinc -isystem $($CC -print-file-name=include)
	-I$top_srcdir/tests/ports/freestanding -Wall -Wextra -Werror"
check "the core compiles where there are no headers but the compiler's own and six functions" \
	built free "$CC" "${AR:-ar}" "$freestanding"
check "it needs the functions that doc/porting.md lists, and no others" needs_what_is_told

breaks() {
	# A header that a port does not have is detected.
	printf '#include "core/ifdccid.h"\n#include <pthread.h>\n' >"$work/bad.c"
	# shellcheck disable=SC2086 # several words
	! $CC $freestanding -I"$top_srcdir/src" -fsyntax-only "$work/bad.c"
}
check "a header of the system would be found" breaks

has_prefix() {
	CC=$CC CFLAGS=-O0 "$top_srcdir/tools/build-core" -p mine_ -o "$work/mine" &&
		! $NM "$work/mine/libifdccid-core.a" | grep -E ' [A-TV-Z] | U (port|clock)_' | grep -v ' mine_' &&
		printf 'int main(void) { return ifdccid_slots(0) > 0; }\n' |
		$CC -I"$top_srcdir/src" -include "$work/mine/ifdccid_prefix.h" -include core/ifdccid.h -x c -c \
			-o "$work/mine.o" - && $NM "$work/mine.o" | grep -q 'U mine_ifdccid_slots'
}
if [ "${OBJCOPY:-objcopy}" != no ] && type "${OBJCOPY:-objcopy}" >/dev/null 2>&1; then
	check "with a prefix no name is without it, and the headers know it" has_prefix
else
	skip "with a prefix no name is without it, and the headers know it" "there is no objcopy"
fi

replay() {
	"$top_builddir/examples/port_replay" "$@"
}
recording=$top_srcdir/tests/field/recordings/nitrokey-3.ccidlog

replays() {
	replay "$recording" 00CA006E00 00CA006E000000 >"$work/out" && cat "$work/out" &&
		[ "$(grep -c '^answer 00 01 02 .* 90 00$' "$work/out")" = 2 ] &&
		grep -q '^ATR 3B 8F 01 80 5D 4E 69 74 72 6F 6B 65 79 00 00 00 00 00 6A$' "$work/out"
}
check "the sample port: a recorded card's ATR and chained answers" replays

fails_with() {
	local status
	replay "${@:2}"
	status=$?
	[ "$status" = "$1" ]
}
check "the sample port: another APDU than the recorded one" fails_with 1 "$recording" 00CA006F00
check "the sample port: a recording that has ended" fails_with 1 "$recording" 00CA006E00 00CA006E000000 00CA006E00
check "the sample port: a file that is not a recording" fails_with 1 "$top_srcdir/README.md"
check "the sample port: no file" fails_with 2
check "the sample port is short" test "$(wc -l <"$top_srcdir/examples/port_replay.c")" -le 300

mingw=x86_64-w64-mingw32
windows() {
	built windows $mingw-gcc $mingw-ar "-O2 -Wall -Wextra -Werror" &&
		$mingw-gcc -O2 -Wall -Wextra -Werror -I"$top_srcdir/src" -o "$work/port_replay.exe" \
			"$top_srcdir/examples/port_replay.c" "$top_srcdir/src/util/port_single.c" \
			"$work/windows/libifdccid-core.a" && [ -s "$work/port_replay.exe" ]
}
if type $mingw-gcc >/dev/null 2>&1; then
	check "Windows: the core and the sample port are compiled and linked by mingw-w64" windows
else
	skip "Windows: the core and the sample port are compiled and linked by mingw-w64" "there is no $mingw-gcc"
fi

# The driver with another system's libusb, and without the functions that only Linux has.
bsd() {
	local file
	cat "$top_builddir/config.h" - >"$work/config.h" <<-'END'
		#undef HAVE_LIBUSB_WRAP_SYS_DEVICE
		#undef HAVE_LIBUSB_SET_OPTION
		#undef HAVE_LIBUSB_INIT_CONTEXT
		#undef HAVE_SECURE_GETENV
		#undef HAVE_EXPLICIT_BZERO
		#undef HAVE_LINUX_USBDEVICE_FS_H
	END
	mkdir -p "$work/usb" && cp "$top_srcdir/tests/ports/bsd/libusb.h" "$work/usb/"
	for file in "$top_srcdir"/src/transport/usb_*.c "$top_srcdir"/src/slot/*.c "$top_srcdir"/src/util/*.c \
		"$top_srcdir"/src/tools/bus.c; do
		case $file in */plist_lex.c) continue ;; esac
		# The stand-in precedes any libusb.h of this system.
		# shellcheck disable=SC2086 # several words
		$CC -include "$work/config.h" -D_GNU_SOURCE= -I"$work/usb" -I"$top_srcdir/src" -I"$top_srcdir" \
			-I"$top_builddir/src" $CHECK_CPPFLAGS_PCSC -DPCSCLITE_HP_DROPDIR='"/drivers"' \
			-Wall -Wextra -Werror -fsyntax-only "$file" || return 1
	done
}
if [ "$WITH_LIBUSB" = no ]; then
	skip "FreeBSD, NetBSD, macOS: the driver compiles against their libusb" "this build has no libusb"
else
	check "FreeBSD, NetBSD, macOS: the driver compiles against their libusb" bsd
fi

# arch SYSTEM FOLDER: this system's pcscd looks for FOLDER in a bundle's Contents.
arch() {
	[ "$(sh "$top_srcdir/tools/bundle-arch" "$1")" = "$2" ]
}
check "FreeBSD: the bundle's folder" arch freebsd14.1 FreeBSD
check "NetBSD: the bundle's folder" arch netbsd10.0 NetBSD
check "OpenBSD: the bundle's folder" arch openbsd7.6 OpenBSD
check "macOS: the bundle's folder" arch darwin23.1.0 MacOS
check "Linux: the bundle's folder" arch linux-gnu Linux

# os_log hides text by default: every line without secrets is marked as public.
public() {
	printf '#define LOG_PUBLIC_TEXT "%%{public}s"\n' >"$work/mac.h"
	cat >"$work/mac.c" <<-'END'
		#include "util/port.h"
		#include <stdarg.h>
		#include <stdio.h>
		#include <string.h>
		static char seen[2][20];
		void log_msg(const int priority, const char *fmt, ...);
		void log_msg(const int priority, const char *fmt, ...)
		{
			snprintf(seen[priority == PORT_INFO], sizeof seen[0], "%s", fmt);
		}
		int main(void)
		{
			port_log(PORT_INFO, false, "x");
			port_log(PORT_DEBUG, true, "x");
			return strcmp(seen[1], "%{public}s") || strcmp(seen[0], "%s");
		}
	END
	$CC -Wall -Wextra -Werror -include "$work/mac.h" -I"$top_srcdir/src" -o "$work/mac" "$work/mac.c" \
		"$top_srcdir/src/util/log_pcscd.c" && "$work/mac"
}
if [ -z "${LAUNCHER:-}" ]; then
	check "macOS: lines without secrets are marked public, others are not" public
fi
echo "1..$n"
