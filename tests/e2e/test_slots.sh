#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Two readers of eight slots.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/slots.sim" "$0" "$@"
pcscd_start
tap_check "sixteen readers" wait_readers 16
scan() { timeout 10 pcsc_scan -c -n > $e2e_tmp/cards && [ "$(grep -c 'ATR: 3B' $e2e_tmp/cards)" -eq 16 ]; }
tap_check "pcsc_scan shows sixteen ATRs" wait_until scan
tap_include "$e2e_python" "$e2e_dir/slots.py"
tap_check "the tested library answered" right_library
tap_check "pcscd ends well" pcscd_stop
tap_plan
