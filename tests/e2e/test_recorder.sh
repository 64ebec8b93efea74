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
		recorded has "$e2e_tmp/$1" "$2"
}
tap_check "signals while the program waits for the recorder: nothing is lost" whole interrupted 1500
tap_check "signals while many programs wait for a connection: nothing is lost" whole crowded 40
tap_check "the program closes the connection: nothing is lost" whole closed 6
tap_check "the connection's number becomes a file's: nothing is lost, and the file is left alone" whole file 6
tap_check "the connection's number becomes another socket's: nothing is lost, and the socket is left alone" whole stranger 6
tap_check "a reader that sysfs shows after its node was opened is recorded" whole coming 3
for signal in TERM HUP INT; do
	tap_check "a recorder that gets SIG$signal while it starts ends as its command does" recorded start $signal $e2e_tmp
done

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
