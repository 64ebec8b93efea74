#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The modules have the protections that configure chose. In instrumented builds configure chooses none.
# From make: top_builddir, DRIVER_MODULES, HARDENING.
: "${top_builddir:=.}" "${READELF:=readelf}"
n=0

# has MODULE FLAG WHAT READELF-OPTIONS PATTERN: the module's table has the pattern, if the flag was chosen.
has() {
	n=$((n + 1))
	case " $HARDENING " in
	*"$2"*)
		if $READELF "$4" "$top_builddir/.libs/$1" | grep -Eq -- "$5"; then
			echo "ok $n - $1 $3"
		else
			echo "not ok $n - $1 $3"
		fi
		;;
	*) echo "ok $n - $1 $3 # SKIP built without $2" ;;
	esac
}

command -v "$READELF" >/dev/null || {
	echo "1..0 # SKIP no readelf"
	exit 0
}
for module in $DRIVER_MODULES; do
	has "$module" -Wl,-z,relro "has tables that become read-only" -lW GNU_RELRO
	has "$module" -Wl,-z,now "is bound completely when it is loaded" -dW 'BIND_NOW|FLAGS_1.*NOW'
	has "$module" -Wl,-z,noexecstack "has a stack that is not executable" -lW 'GNU_STACK .* RW +0x'
	has "$module" -fstack-protector "guards its stack" -sW ' UND __stack_chk_fail'
	has "$module" _FORTIFY_SOURCE= "calls checked functions" -sW ' UND __[a-z]+_chk(@| |$)'
done
echo "1..$n"
