#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The module exports only the ten functions that pcscd calls, and cannot start a thread or a process.
# From make: top_builddir, NM, DRIVER_MODULES.
: "${top_builddir:=.}" "${NM:=nm}"
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
n=0

cat >"$work/want" <<-END
	IFDHCloseChannel
	IFDHControl
	IFDHCreateChannel
	IFDHCreateChannelByName
	IFDHGetCapabilities
	IFDHICCPresence
	IFDHPowerICC
	IFDHSetCapabilities
	IFDHSetProtocolParameters
	IFDHTransmitToICC
END

# Symbols of a sanitizer's or gcov's instrumentation do not count.
exported() {
	$NM -D --defined-only "$1" | awk '{ print $NF }' |
		grep -Ev '^(__asan_|__odr_asan|__ubsan_|__tsan_|__sancov_|__gcov_|mangle_path|__start_|__stop_)' |
		LC_ALL=C sort
}

# starters SYMBOL...: prints the symbols that start a thread or a process.
starters() {
	awk '{ print $NF }' | sed 's/@.*//' |
		grep -E '^(pthread_create|thrd_create|timer_create|clone3?|v?fork|_Fork|posix_spawnp?|system|popen)$'
}

result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed 's/^/# /' "$work/diff"
	fi
}

for module in $DRIVER_MODULES; do
	exported "$top_builddir/.libs/$module" >"$work/have"
	diff "$work/want" "$work/have" >"$work/diff"
	result $? "$module exports the ten IFDH functions"
done

for module in $DRIVER_MODULES; do
	$NM -D --undefined-only "$top_builddir/.libs/$module" >"$work/asked"
	if [ -s "$work/asked" ] && ! starters <"$work/asked" >"$work/diff"; then true; else false; fi
	result $? "$module starts no thread and no process"
done

echo "                 U pthread_create@GLIBC_2.34" | starters >"$work/diff"
result $? "a call that starts a thread is found"
{ cat "$work/want"; echo stray_symbol; } | LC_ALL=C sort >"$work/have"
if diff "$work/want" "$work/have" >"$work/diff"; then false; else true; fi
result $? "a stray symbol is found"
echo "1..$n"
