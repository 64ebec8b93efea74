#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Attributes, control codes and the examples, on readers that differ in what they offer.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/control.sim" "$0" "$@"
examples=$e2e_top/examples
scardcontrol=$e2e_build/examples/scardcontrol

shows() { timeout 20 "$@" > $e2e_tmp/shown 2>&1; sed 's/^/#   /' $e2e_tmp/shown; grep -q "$expect" $e2e_tmp/shown; }

pcscd_start
tap_check "three readers" wait_readers 3
tap_check "the tested library answers" right_library
tap_include "$e2e_python" "$e2e_dir/control.py" refused

[ -x "$scardcontrol" ] || echo "# $scardcontrol is not built"
expect='2: ' tap_check "scardcontrol -l" shows "$scardcontrol" -l
expect='USB path: 1-1:1.0' tap_check "scardcontrol, plain reader" shows "$scardcontrol" -r 0 info
tap_check "it has no PIN pad" test -z "$(grep 'PIN_DIRECT' $e2e_tmp/shown)"
expect='2 lines of 16 characters' tap_check "scardcontrol, PIN pad" shows "$scardcontrol" -r Pinpad
expect='MCT_READER_DIRECT' tap_check "scardcontrol, MCT reader" shows "$scardcontrol" -r 2
expect='has no PIN pad' tap_check "scardcontrol verify without a PIN pad" shows "$scardcontrol" -r 0 verify
expect='^escape: ' tap_check "scardcontrol escape, a command that is always allowed" shows "$scardcontrol" -r 0 escape 02
expect='escape: Transaction failed' tap_check "scardcontrol escape, refused" shows "$scardcontrol" -r 0 escape 1F02
expect='^NAD: 21' tap_check "scardcontrol nad" shows "$scardcontrol" -r 0 nad 21
expect='refused' tap_check "scardcontrol nad, invalid" shows "$scardcontrol" -r 0 nad 33
expect='^NAD: 00' tap_check "scardcontrol nad, 00 again" shows "$scardcontrol" -r 0 nad 00
expect='usage' tap_check "scardcontrol usage" shows "$scardcontrol" nonsense

"$CCID_SIM" trace $e2e_tmp/trace
asked() { [ "$(grep -c ' out .* Secure ' $e2e_tmp/trace)" -eq "$1" ]; }
typing() { wait_until asked "$1" && "$CCID_SIM" keys 1 "$2"; }	# once the reader has received that many Secure messages
typing 1 '9999\n' & expect='63C2: wrong PIN, 2 tries are left' \
	tap_check "scardcontrol verify, wrong PIN" shows "$scardcontrol" -r Pinpad verify 20
typing 2 '1234\n' & expect='9000: the card accepted it' tap_check "scardcontrol verify" shows "$scardcontrol" -r Pinpad verify 20
typing 3 '1234\n5678\n5678\n' & expect='9000' tap_check "scardcontrol modify" shows "$scardcontrol" -r Pinpad modify 20

expect='^1-2:1.0  *Gem' tap_check "usb_path.py" shows "$e2e_python" "$examples/usb_path.py"
expect='NAD 21: SELECT MF answers 9000' tap_check "nad.py" shows "$e2e_python" "$examples/nad.py" "00 00" 00 21 42
"$e2e_python" "$examples/wait_for_cards.py" 4 > $e2e_tmp/waited 2>&1 &
waiter=$!
tap_check "wait_for_cards.py reports the cards" wait_until grep -q 'card in .*: 3b' $e2e_tmp/waited
"$CCID_SIM" remove 0 0
tap_check "wait_for_cards.py reports the removal" wait_until grep -q '^no card in' $e2e_tmp/waited
"$CCID_SIM" insert 0 0 t1
wait $waiter
tap_check "wait_for_cards.py exits with 0" test $? -eq 0
tap_check "wait_for_cards.py reports the insertion" test "$(grep -c '^card in .* 00 00: 3b' $e2e_tmp/waited)" -eq 2
sed 's/^/#   /' $e2e_tmp/waited
tap_check "pcscd exits cleanly" pcscd_stop

# the administrator allows Escape commands
sed -i '/<key>ifdDriverOptions</,/<string>/s|<string>.*</string>|<string>0x0001</string>|' "$e2e_plist"
pcscd_start
tap_check "three readers again" wait_readers 3
tap_include "$e2e_python" "$e2e_dir/control.py" allowed
expect='CCID_ESC_COMMAND' tap_check "scardcontrol shows that Escape is allowed" shows "$scardcontrol" -r 0
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
