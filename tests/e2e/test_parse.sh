#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# ccid-parse shows simulated readers with the values of their rows in the reader table. There is no pcscd.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/parse.sim" "$0" "$@"
ccid_parse=${CCID_PARSE:-$e2e_build/ccid-parse}
: > "$e2e_log"
[ -x "$ccid_parse" ] || tap_skip_all "ccid-parse is not built"
tap_include "$e2e_python" "$e2e_dir/parse.py" "$ccid_parse" "$CCID_SIM_TABLE" "$e2e_dir/readers/parse.sim" $e2e_tmp
tap_plan
