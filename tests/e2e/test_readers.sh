#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Names, ATRs and answers as common tools show them.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/levels.sim" "$0" "$@"

names='Gemalto PC Twin Reader 00 00
Gemalto PC Twin Reader 01 00
ACS ACR3901U ICC Reader [ACR3901U ICC Reader] 02 00
ACS ACR3901U ICC Reader [ACR3901U ICC Reader] 03 00
Alcor Micro AU9540 04 00
Alcor Micro AU9540 05 00'

pcscd_start
tap_check "six readers are listed" wait_readers 6
tap_check "the tested library answers" right_library
timeout 10 pcsc_scan -r | sed -n 's/^[0-9]*: //p' > $e2e_tmp/names
echo "$names" | diff - $e2e_tmp/names > $e2e_tmp/diff
tap_check "pcsc_scan -r shows the names" test ! -s $e2e_tmp/diff
sed 's/^/# /' $e2e_tmp/diff
scan_atrs() { timeout 10 pcsc_scan -c -n > $e2e_tmp/cards && [ "$(grep -c 'ATR: 3B' $e2e_tmp/cards)" -eq 6 ]; }
tap_check "pcsc_scan -c shows six ATRs" wait_until scan_atrs
tap_check "three T=0 cards" test "$(grep -c 'ATR: 3B 17 96' $e2e_tmp/cards)" -eq 3
tap_check "three T=1 cards" test "$(grep -c 'ATR: 3B 97 96 81 31 FE 45' $e2e_tmp/cards)" -eq 3
timeout 20 opensc-tool -l > $e2e_tmp/opensc
tap_check "opensc-tool -l shows six readers with cards" test "$(grep -c '  Yes  ' $e2e_tmp/opensc)" -eq 6
for i in 0 1 2 3 4 5; do
	expect=3b:97:96:81:31:fe:45:69:66:64:2d:73:69:6d:3b
	[ $((i % 2)) -eq 0 ] && expect=3b:17:96:69:66:64:2d:73:69:6d
	tap_check "opensc-tool -a, reader $i" test "$(timeout 20 opensc-tool -r $i -a 2> /dev/null)" = $expect
	timeout 20 opensc-tool -r $i -s 00A4000C023F00 > $e2e_tmp/select 2>&1
	tap_check "opensc-tool -s SELECT, reader $i" grep -q 'SW1=0x90, SW2=0x00' $e2e_tmp/select
done
tap_check "pcscd is still running" pcscd_alive
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
