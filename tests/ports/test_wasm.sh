#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The core as WebAssembly, under node: its own unit tests, and a reader on an asynchronous transport like WebUSB.
# Needs emcc and node: ./run-tests ports installs them.
: "${top_srcdir:=.}"
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
n=0
# emcc's own scripts need Debian's node modules; a node that is not Debian's looks for modules elsewhere.
export NODE_PATH=${NODE_PATH:-/usr/share/nodejs}
tests="proto/test_apdu proto/test_atr proto/test_exchange proto/test_pps proto/test_t0 proto/test_t1 proto/test_t1_block
	proto/test_timing quirks/test_cards quirks/test_display_strings util/test_buf util/test_err util/test_text
	wire/test_ccid_config wire/test_ccid_desc wire/test_ccid_msg wire/test_ccid_strings"

# check TEXT COMMAND...
check() {
	n=$((n + 1))
	if "${@:2}" >"$work/said" 2>&1; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		tail -n 20 "$work/said" | cut -c1-300 | sed 's/^/# /'
	fi
}

port=("$top_srcdir/tests/ports/wasm/port.c" "$top_srcdir/src/util/port_single.c")

for tool in emcc emar node; do
	type $tool >/dev/null 2>&1 && continue
	echo "1..1"
	echo "ok 1 - WebAssembly: the core under node # SKIP there is no $tool"
	exit 0
done

core() {
	CC=emcc AR=emar CFLAGS='-Os -Wall -Wextra -Werror' "$top_srcdir/tools/build-core" -o "$work/core"
}

# unit TEST SOURCE...: runs a unit test with emcc's libraries, the stand-in for cmocka and this machine's files.
unit() {
	emcc -O1 -D_GNU_SOURCE= -I"$top_srcdir/tests/ports/wasm" -I"$top_srcdir/src" -I"$top_srcdir/tests" -I"$top_srcdir" \
		-DTOP_SRCDIR="\"$top_srcdir\"" -DCCID_SIM_TABLE="\"$top_srcdir/readers/reader_descriptors.tsv\"" \
		-sNODERAWFS=1 -sEXIT_RUNTIME=1 -sALLOW_MEMORY_GROWTH -o "$work/unit.js" \
		"$top_srcdir/tests/unit/$1.c" "${@:2}" "$work/core/libifdccid-core.a" &&
		node -e 'delete globalThis.fetch; require(process.argv[1])' "$work/unit.js" >"$work/out" && cat "$work/out" &&
		grep -q '^all passed: [1-9]' "$work/out"
}

webusb() {
	emcc -Os -Wall -Wextra -Werror -sASYNCIFY -sMODULARIZE -sEXIT_RUNTIME=1 -sALLOW_MEMORY_GROWTH -DPORT_SLEEPS \
		-I"$top_srcdir/src" -o "$work/webusb.js" "$top_srcdir/tests/ports/wasm/webusb.c" \
		"${port[@]}" "$work/core/libifdccid-core.a"
}

# plays STATUS LAST MS APDU...: the program exits with STATUS and prints the line LAST.
plays() {
	local status
	node "$top_srcdir/tests/ports/wasm/replay.js" "$work/webusb.js" \
		"$top_srcdir/tests/field/recordings/nitrokey-3.ccidlog" "${@:3}" >"$work/out"
	status=$?
	cat "$work/out"
	[ "$status" = "$1" ] && grep -qx "$2" "$work/out"
}

talks() {
	plays 0 ok 3 00CA006E00 00CA006E000000 && [ "$(grep -c '^answer 00 01 02 .* 90 00$' "$work/out")" = 2 ] &&
		grep -q '^ATR 3B 8F 01 80' "$work/out" && grep -qx 'transfers 24' "$work/out"
}

check "the core is compiled by emcc" core
check "a reader and its card behind WebUSB's promises: compiled" webusb
check "a reader and its card behind WebUSB's promises: ATR and chained answers" talks
check "a reader that goes away in mid-command" plays 1 'no such device' 3 00CA006E00 00CA006E000000 00CA006E00
for test in $tests; do
	check "unit test under node: $test" unit "$test" "${port[@]}"
done
check "the whole core on simulated readers, under node" unit core/test_ifdccid "$top_srcdir"/sim/model/*.c
echo "# size: $(wc -c <"$work/webusb.wasm") bytes of WebAssembly with the C library, $(wc -c <"$work/webusb.js") of JavaScript"
echo "1..$n"
