#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Unlisted readers work after one command and a restart of pcscd; another command removes them again.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/add.sim" "$0" "$@"
add_reader=${CCID_ADD_READER:-$e2e_build/ccid-add-reader}
ccid_parse=${CCID_PARSE:-$e2e_build/ccid-parse}
: > "$e2e_log"
[ -x "$add_reader" ] || tap_skip_all "ccid-add-reader is not built"
unset PCSCLITE_HP_DROPDIR
export CCID_ADD_READER_RULES=$e2e_tmp/none/rules.d

add() { "$add_reader" --dir "$e2e_drop" "$@" > $e2e_tmp/said 2>&1; }
refuses() { ! add "$@"; }
list() { timeout 10 pcsc_scan -r 2> /dev/null | sed -n 's/^[0-9]*: //p'; }
listed() { list | grep -qxF "$1"; }
not_listed() { ! list | grep -qF "$1"; }
# Cards answer at T=1 and at T=0: the root of the file system can be selected.
number_of() { timeout 10 pcsc_scan -r 2> /dev/null | sed -n "s/^\([0-9]*\): $1 .*/\1/p"; }
named_answers() { answers "$(number_of "$1")"; }
answers() { timeout 20 opensc-tool -r "$1" -s 00A4000C023F00 2> /dev/null | grep -q 'SW1=0x90, SW2=0x00'; }
mapped() { awk '/\/ifd-ccid.*\/libccid/ && !/sim-preload/ { print $5 }' "/proc/$pcscd_pid/maps" | sort -u; }
# The library is loaded from two files, so that each copy has its own Luns.
loaded_twice() { [ "$(mapped)" = "$(stat -c %i "$e2e_library" "${e2e_library%.so}-local.so" | sort)" ]; }
drops() { ls "$e2e_drop" | tr '\n' ' '; }
# The reader's events, its interface, and its library, from pcscd's log.
uses_local() { grep -q "ifd-ccid-local.bundle/Contents/Linux/libccid.so" "$e2e_log"; }

# Without the tool pcscd 1.9 offers no unlisted reader to the class driver; later ones may offer the reader of class 0B.
pcscd_start
tap_check "before: the listed reader" wait_until listed "Gemalto PC Twin Reader 00 00"
tap_check "before: no reader of class FF" not_listed "Vendor Pad"
tap_check "before: no reader has the name to be added" not_listed "My own name"
before=$(list | wc -l)
tap_check "before: pcscd exits cleanly" pcscd_stop

tap_check "add: by the strings of the reader" add f1f1:0001
tap_check "add: with a name" add F1F1:0002 'Beep & <Blink>'
tap_check "add: class 0B with a name of its own" add f1f1:0003 "My own name"
tap_check "add: a second time is refused" refuses f1f1:0001
tap_check "add: a reader that the driver lists is refused" refuses 08e6:3437
tap_check "add: two bundles" test "$(drops)" = "ifd-ccid-local.bundle ifd-ccid.bundle "

pcscd_start
tap_check "after: four readers" wait_readers 4
list > $e2e_tmp/list
sed 's/^/# /' $e2e_tmp/list
for name in "Gemalto PC Twin Reader" "Tom & Co Vendor Pad" "My own name"; do
	tap_check "after: $name is listed" grep -q "^$name 0[0-3] 00$" $e2e_tmp/list
done
tap_check "after: the name with special characters is listed" grep -q "^Beep & " $e2e_tmp/list
for i in 0 1 2 3; do
	tap_check "after: the card in reader $i answers" answers $i
done
tap_check "after: pcscd used the local bundle" uses_local
tap_check "after: the tested driver and its second file are loaded" loaded_twice
"$CCID_SIM" unplug vendor
tap_check "after: one reader is unplugged" wait_readers 3
"$CCID_SIM" plug vendor
tap_check "after: the reader is plugged in again" wait_readers 4
tap_check "after: its card answers" wait_until named_answers "Tom & Co Vendor Pad"
# When another program has the interface, the values that need no claim are shown, and the rest is reported as missing.
"$ccid_parse" 08e6:3437 > $e2e_tmp/parsed 2> $e2e_tmp/said
tap_check "after: ccid-parse beside pcscd ends with 1" test $? -eq 1
tap_check "after: ccid-parse says to stop pcscd" grep -q "stop pcscd" $e2e_tmp/said
tap_check "after: ccid-parse shows the strings" grep -q "iProduct: USB SmartCard Reader" $e2e_tmp/parsed
tap_check "after: ccid-parse shows no data rates" grep -qF "GET_DATA_RATES: none (not read)" $e2e_tmp/parsed
tap_check "after: pcscd exits cleanly" pcscd_stop

# Without its driver the local bundle is ignored.
mv "$e2e_drop/ifd-ccid.bundle/Contents/local" "$e2e_drop/ifd-ccid.bundle/Contents/away"
pcscd_start
tap_check "another driver's bundle: only the listed reader" wait_until listed "Gemalto PC Twin Reader 00 00"
tap_check "another driver's bundle: the added list is not used" eval '! grep -q "ifd-ccid-local.bundle/Contents/Linux" "$e2e_log"'
tap_check "another driver's bundle: pcscd exits cleanly" pcscd_stop
mv "$e2e_drop/ifd-ccid.bundle/Contents/away" "$e2e_drop/ifd-ccid.bundle/Contents/local"

tap_check "delete: one reader" add -d f1f1:0001
pcscd_start
tap_check "deleted: three readers" wait_readers 3
tap_check "deleted: the other readers are listed" listed "My own name 01 00"
tap_check "deleted: the reader is not listed" not_listed "Vendor Pad"
tap_check "deleted: pcscd exits cleanly" pcscd_stop
tap_check "delete: the other readers" eval 'add -d f1f1:0002 && add -d f1f1:0003'
tap_check "delete: the bundle is gone" test "$(drops)" = "ifd-ccid.bundle "
pcscd_start
tap_check "deleted: as many readers as before" wait_readers "$before"
tap_check "deleted: the reader that the driver lists is there" listed "Gemalto PC Twin Reader 00 00"
tap_check "deleted: no added name is listed" not_listed "My own name"
tap_check "deleted: the tested library answers" right_library
tap_check "deleted: pcscd exits cleanly" pcscd_stop
tap_plan
