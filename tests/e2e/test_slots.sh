#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Two readers of eight slots.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/slots.sim" "$0" "$@"
pcscd_start
tap_check "sixteen readers" wait_readers 16
# pcsc_scan's card view asks for one reader (plug and play) more than pcscd 1.9 allows: ATRs are checked below.
timeout 10 pcsc_scan -r > $e2e_tmp/list
tap_check "pcsc_scan lists sixteen" test "$(grep -c 'Gemalto PC Twin Reader 0[01] 0[0-7]' $e2e_tmp/list)" -eq 16
tap_include "$e2e_python" "$e2e_dir/slots.py"
tap_check "the tested library answered" right_library
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
