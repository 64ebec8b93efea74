#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Honest programs on readers and cards that break the rules. SECURITY.md lists the cases.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/hostile.sim" "$0" "$@"
# Escape commands are allowed
sed -i '/<key>ifdDriverOptions</,/<string>/s|<string>.*</string>|<string>0x0001</string>|' "$e2e_plist"
# the cases look for each line: no limit for lines
sed -i '/<key>ifdLogLevel</,/<string>/s|<string>.*</string>|<string>0x0007</string>|' "$e2e_plist"
"$CCID_SIM" trace $e2e_tmp/trace
pcscd_start
tap_check "fourteen slots" wait_readers 14
tap_check "the tested library answers" right_library
tap_include "$e2e_python" "$e2e_dir/hostile.py" "$@"
"$e2e_python" "$e2e_dir/hostile.py" busy > $e2e_tmp/busy &
tap_check "row 26: a command is under way" wait_until grep -q begins $e2e_tmp/busy
tap_check "row 26: pcscd exits cleanly nevertheless" pcscd_stop
wait
tap_check "row 26: the command ends with an error" grep -q 'ended with an error' $e2e_tmp/busy
tap_plan
