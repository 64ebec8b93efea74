#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# APDUs of all cases, short and extended, at every level and protocol, byte for byte.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/levels.sim" "$0" "$@"
pcscd_start
tap_check "six readers" wait_readers 6
tap_include "$e2e_python" "$e2e_dir/apdu.py"
tap_check "the tested library answered" right_library
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
