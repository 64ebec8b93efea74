#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every installed program: --help and --version end with 0, what it does not know ends with 2 and is named, and
# other failures end with 1. TAP.
: "${top_srcdir:=$(cd "$(dirname "$0")/../../.." && pwd)}" "${top_builddir:=.}"
unset CCID_SIM_SOCKET
export CCID_SIM_TABLE=$top_srcdir/readers/reader_descriptors.tsv
count=0 failed=0
said=$(mktemp) || exit 99
trap 'rm -f "$said"' EXIT

check() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $name"
	else
		failed=$((failed + 1))
		echo "not ok $count - $name"
		sed 's/^/# /' "$said"
	fi
}

# ends STATUS COMMAND...: with that status; what it said is kept.
ends() {
	local want=$1
	shift
	timeout 20 "$@" >"$said" 2>&1 </dev/null
	[ $? = "$want" ]
}

# refuses WORD COMMAND...: status 2, and a line that is not the usage names the word.
refuses() {
	local word=$1
	shift
	ends 2 "$@" && head -n 1 "$said" | grep -qF -- "$word"
}

# on_full NAME COMMAND...: standard output cannot be written, which the program reports under its name.
on_full() {
	local name=$1 status
	shift
	timeout 20 "$@" >/dev/full 2>"$said" </dev/null
	status=$?
	{ [ $status = 1 ] || [ $status = 2 ]; } && grep -q "^$name: standard output: ." "$said"
}

for program in ccid-doctor ccid-list ccid-parse ccid-sim ccid-trace ccid-add-reader contrib/RSA_SecurID_getpasswd contrib/Kobil_mIDentity_switch; do
	path=$top_builddir/$program
	name=${program##*/}
	[ -x "$path" ] || continue
	check "$name --help" ends 0 "$path" --help
	check "$name --help tells of --version" grep -q -- --version "$said"
	check "$name -h" ends 0 "$path" -h
	check "$name --version" ends 0 "$path" --version
	check "$name --version names it" grep -q "^$name (ifd-ccid) [0-9]" "$said"
	check "$name -V" ends 0 "$path" -V
	if [ -c /dev/full ]; then
		check "$name --help: a full disk is an error" on_full "$name" "$path" --help
		check "$name --version: a full disk is an error" on_full "$name" "$path" --version
	fi
	check "$name: an unknown long option is named" refuses bogus "$path" --bogus
	check "$name: an unknown letter is named" refuses 'y' "$path" -y
done
cd "$top_builddir" || exit 99
if [ -x ccid-doctor ]; then
	check "ccid-doctor: no such id" refuses 12345 ./ccid-doctor 12345
	check "ccid-doctor: two readers" refuses 1234:0002 ./ccid-doctor 1234:0001 1234:0002
	check "ccid-list: an argument" refuses 12345 ./ccid-list 12345
	check "ccid-doctor: nothing found" ends 1 ./ccid-doctor f1f1:f1f1
fi
if [ -x ccid-sim ] && [ -c /dev/full ]; then
	for kind in readers cards faults commands; do
		check "ccid-sim names $kind: a full disk is an error" on_full ccid-sim ./ccid-sim names $kind
	done
fi
if [ -x ccid-parse ]; then
	check "ccid-parse: no such id" refuses 12345 ./ccid-parse 12345
	check "ccid-parse: two readers" refuses 1234:0002 ./ccid-parse 1234:0001 1234:0002
	check "ccid-parse: -j with -g" refuses "-j and -g" ./ccid-parse -j -g x
	check "ccid-parse: nothing found" ends 1 ./ccid-parse f1f1:f1f1
fi
if [ -x contrib/Kobil_mIDentity_switch ]; then
	check "Kobil_mIDentity_switch: a bad request" refuses 12:zz ./contrib/Kobil_mIDentity_switch -r 12:zz
	check "Kobil_mIDentity_switch: too many words" refuses more ./contrib/Kobil_mIDentity_switch more
fi
check "RSA_SecurID_getpasswd: a bad AID" refuses XY ./contrib/RSA_SecurID_getpasswd -a XY
check "RSA_SecurID_getpasswd: a bad APDU" refuses '"8"' ./contrib/RSA_SecurID_getpasswd -c 8
check "RSA_SecurID_getpasswd: too many words" refuses more ./contrib/RSA_SecurID_getpasswd more
check "ccid-add-reader: a bad id" refuses f1f1 ./ccid-add-reader f1f1
check "ccid-add-reader: no such folder" ends 1 ./ccid-add-reader --dir /nonexistent f1f1:0001 Name
if [ -x ccid-sim ]; then
	for port in 0 65536 99999 123456 3a -1 ""; do
		check "ccid-sim usbip: port \"$port\"" refuses "\"$port\"" ./ccid-sim usbip -p "$port" /dev/null
	done
	check "ccid-sim usbip: an unknown option" refuses q ./ccid-sim usbip -q x
	check "ccid-sim usbip: two files" refuses two.sim ./ccid-sim usbip one.sim two.sim
	check "ccid-sim run: an unknown option" refuses q ./ccid-sim run -q x -- true
	check "ccid-sim run: no command" refuses one.sim ./ccid-sim run one.sim
	check "ccid-sim record: an unknown option" refuses q ./ccid-sim record -q 08e6:3437 -- true
	check "ccid-sim record: no command" refuses 08e6:3437 ./ccid-sim record 08e6:3437
	check "ccid-sim record: not a reader" refuses twin ./ccid-sim record twin -- true
	check "ccid-sim: an unknown command" refuses insrt ./ccid-sim insrt r 0
	check "ccid-sim: a command outside of it" ends 1 ./ccid-sim list
	check "ccid-sim names: of what" refuses nothing ./ccid-sim names nothing
	check "ccid-sim names cards" ends 0 ./ccid-sim names cards
	check "ccid-sim names cards: one of them" grep -qx t1small "$said"
	check "ccid-sim names faults" ends 0 ./ccid-sim names faults
	check "ccid-sim names faults: of readers" grep -qx late-answer "$said"
	check "ccid-sim names faults: of cards" grep -qx t1-bad-edc "$said"
	check "ccid-sim names readers" ends 0 ./ccid-sim names readers
	check "ccid-sim names readers: by id" grep -qx 08e6:3437 "$said"
	check "ccid-sim names readers: by name" grep -qx GemPCTwin "$said"
	check "ccid-sim names commands" ends 0 ./ccid-sim names commands
	check "ccid-sim names commands: one of them" grep -qx in-flight "$said"

	# The shell completes with these words.
	_get() {
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMPREPLY=()
		"_${1//-/_}"
		printf '%s\n' "${COMPREPLY[@]}" >"$said"
	}
	PATH=$PWD:$PATH
	for file in "$top_srcdir"/contrib/completion/*; do
		# shellcheck disable=SC1090
		. "$file"
	done
	_get ccid-sim in
	check "completion: commands" test "$(tr '\n' ' ' <"$said")" = "in-flight insert "
	_get ccid-sim fault r t1-bad-
	check "completion: faults" test "$(tr '\n' ' ' <"$said")" = "t1-bad-nad t1-bad-edc t1-bad-ns "
	_get ccid-sim insert r 0 t1c
	check "completion: cards" grep -qx t1crc "$said"
	_get ccid-sim names r
	check "completion: kinds of names" grep -qx readers "$said"
	_get ccid-parse --js
	check "completion: ccid-parse" grep -qx -- --json "$said"
	_get ccid-list --wa
	check "completion: ccid-list" grep -qx -- --watch "$said"
	_get ccid-doctor --ro
	check "completion: ccid-doctor" grep -qx -- --root "$said"
	_get ccid-trace --ver
	check "completion: ccid-trace" grep -qx -- --version "$said"
	_get ccid-add-reader --ver
	check "completion: ccid-add-reader" grep -qx -- --version "$said"
	_get ccid-sim run -
	check "completion: options of run" grep -qx -- -t "$said"
	_get ccid-parse 1d6
	check "completion: readers on the bus, or none" eval '! grep -qv "^1d6[0-9a-f]:[0-9a-f]\{4\}$" "$said" || ! grep -q . "$said"'
fi
echo "1..$count"
[ "$failed" = 0 ] && [ "$count" -gt 0 ]
