#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# ccid-sim record: what pcscd says to a reader becomes a text, without a PIN and without the serial number.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/record.sim" "$0" "$@"
apdu() { timeout 20 opensc-tool --reader 0 "$@"; }
talk()
{
	"$CCID_SIM" unplug 0
	"$CCID_SIM" plug 0	# without power, as at first
	E2E_LAUNCHER="$CCID_SIM record $2 -o $e2e_tmp/$1 08e6:3437 --"
	pcscd_start
	tap_check "$1: a reader" wait_readers 1
	tap_check "$1: a conversation with its card, with a PIN" apdu --send-apdu 00A4020C022F00 --send-apdu 00B0000010 \
		--send-apdu 0020000108313233340000000000
	tap_check "$1: pcscd exits cleanly" pcscd_stop
}
holds() { grep -qaF -- "$2" "$e2e_tmp/$1"; }
lacks() { ! holds "$@"; }
lines_between() { sed '1,/^begin$/d; /^end /d' "$e2e_tmp/$1" | grep -c .; }

talk first -n
tap_check "the reader is named" holds first "reader 08e6:3437"
tap_check "its serial number is hidden" lacks first 1A2B3C4D
tap_check "its name is recorded" holds first "USB SmartCard Reader"
tap_check "the ATR is recorded" holds first "<- 80 0F 00 00 00 00 ss 00 00 00 3B 97"
tap_check "the PIN is hidden" lacks first "20 00 01 08 31"
tap_check "the length of the PIN command is recorded" holds first "-> 6F 12 00 00 00 00 ss 00 00 00 [18 hidden]"
tap_check "the last line gives the number of lines" holds first "end $(lines_between first) lines"
tap_check "no times are recorded" lacks first " (0."
talk again -n
# pcscd looks for cards, and switches off what nobody uses, when it has time.
same() { for f in first again; do grep -e '^-> 6[19F]' "$e2e_tmp/$f" > "$e2e_tmp/$f.card"; done; cmp "$e2e_tmp"/*.card; }
tap_check "the same conversation is the same text" same
talk whole "-aks"
tap_check "on request: the serial number" holds whole "string 3 1A2B3C4D"
private() { test "$(stat -c %a "$e2e_tmp/$1")" = 600; }
tap_check "only its owner may read a new recording, which may have a PIN" private whole
tap_check "on request: the PIN" holds whole "20 00 01 08 31 32 33 34"
"$CCID_SIM" record -o $e2e_tmp/none 1234:5678 -- true 2> $e2e_tmp/said
tap_check "no such reader: exit code 125" test $? -eq 125
tap_check "no such reader: the message names it" grep -q "opened no reader 1234:5678" $e2e_tmp/said
"$CCID_SIM" record -o $e2e_tmp/none 08e6:3437 -- sh -c 'exit 7'
tap_check "the command's exit code is returned" test $? -eq 7

# What is there already stays as long as nothing is recorded.
echo before > $e2e_tmp/kept
unchanged() { test "$(cat $e2e_tmp/kept)" = before; }
"$CCID_SIM" record -o $e2e_tmp/kept 08e6:3437 -- true 2> /dev/null
tap_check "a command that opens no reader: the file is left as it is" unchanged
"$CCID_SIM" record -o $e2e_tmp/kept 08e6:3437 -- /nonexistent/pcscd 2> /dev/null
tap_check "a mistyped command: its exit code" test $? -eq 127
tap_check "a mistyped command: the file is left as it is" unchanged
tap_check "nothing is recorded: no file is made" test ! -e $e2e_tmp/none
tap_check "a folder that does not exist: exit code 125" sh -c "'$CCID_SIM' record -o /nonexistent/x 08e6:3437 -- true; [ \$? -eq 125 ]"

# as_named [OPTION]...: records a program that opens the reader, in a folder of its own.
mkdir $e2e_tmp/here
as_named() { (cd $e2e_tmp/here && "$CCID_SIM" record -n "$@" 08e6:3437 -- "$e2e_python" "$e2e_dir/recorded.py" closed $e2e_tmp 2> said); }
has_six() { "$e2e_python" "$e2e_dir/recorded.py" has "$e2e_tmp/here/$1" 6; }
echo before > $e2e_tmp/here/08e6-3437.ccidlog
as_named
tap_check "a second recording of a reader has a number, which standard error says" \
	sh -c "grep -q 08e6-3437-2.ccidlog $e2e_tmp/here/said && echo before | cmp -s - $e2e_tmp/here/08e6-3437.ccidlog"
tap_check "the second recording is complete" has_six 08e6-3437-2.ccidlog
as_named
tap_check "the third recording is complete" has_six 08e6-3437-3.ccidlog
tap_check "only its owner may read a numbered recording" private here/08e6-3437-3.ccidlog
seq 10000 > $e2e_tmp/here/named
as_named -o named
tap_check "a named file is replaced" has_six named
(cd $e2e_tmp/here && "$CCID_SIM" record 08e6:3437 -- true 2> /dev/null; ls > ../list)
tap_check "nothing is recorded: no numbered file is made" test "$(grep -c ccidlog $e2e_tmp/list)" -eq 3
# a virtual machine without systemd has no /dev/stdout
as_named -o /proc/self/fd/1 | cat > $e2e_tmp/here/piped
tap_check "a recording goes through a pipe" has_six piped

# killed SIGNAL: the recording has everything up to then, and its end.
killed()
{
	"$CCID_SIM" unplug 0
	"$CCID_SIM" plug 0
	E2E_LAUNCHER="setsid $CCID_SIM record -n -o $e2e_tmp/$1 08e6:3437 --"
	pcscd_start
	wait_readers 1 && apdu --send-apdu 00A4020C022F00
	kill -s "$1" -- "$2$pcscd_pid"
	wait "$pcscd_pid"
	wait_until grep -q '^end' "$e2e_tmp/$1"
}
ends() { holds "$1" "<- 80 0F 00 00 00 00 ss 00 00 00 3B 97" && holds "$1" "end $(lines_between "$1") lines"; }
killed KILL
tap_check "a recorder that is killed leaves a complete recording" ends KILL
rm -f /run/pcscd/*	# which pcscd, killed as well, left
killed TERM -
tap_check "a signal to all processes at once leaves a complete recording" ends TERM
tap_check "the recording has the last exchange" holds TERM "07 00 A4 02 0C 02 2F 00"
tap_plan
