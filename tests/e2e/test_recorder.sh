#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# ccid-sim record loses nothing, whatever the recorded program does, and leaves nothing behind when it is killed.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/record.sim" "$0" "$@"
recorded() { "$e2e_python" "$e2e_dir/recorded.py" "$@"; }
# whole CASE NUMBER: the case passes, and the recording has that many requests.
whole()
{
	"$CCID_SIM" record -n -o "$e2e_tmp/$1" 08e6:3437 -- "$e2e_python" "$e2e_dir/recorded.py" "$1" $e2e_tmp &&
		recorded has $e2e_tmp/$1 "$2"
}
# started FILE: a recorder, and its folder, process and writing process.
started()
{
	rm -f $e2e_tmp/said
	"$CCID_SIM" record -n -o "$e2e_tmp/$1" 08e6:3437 -- "$e2e_python" "$e2e_dir/recorded.py" killed $e2e_tmp &
	wait_until test -e $e2e_tmp/said && read -r folder recorder writer < $e2e_tmp/said
}
is_gone() { ! test -e "$folder"; }
started killed
tap_check "the recorder's folder is private" test "$(stat -c %a "$folder")" = 700
kill -KILL "$recorder"
tap_check "a recorder that is killed leaves no folder" wait_until is_gone
wait_until grep -q '^end' $e2e_tmp/killed
tap_check "a recorder that is killed leaves a complete recording" recorded has $e2e_tmp/killed 3
started both
kill -KILL "$writer" "$recorder"
wait
tap_check "the folder is left when both processes of a recorder are killed" test -d "$folder"
tap_check "the next recorder leaves the folder of a living one alone" whole two 6
tap_check "the next recorder removes the folder of a killed one" is_gone
tap_plan
