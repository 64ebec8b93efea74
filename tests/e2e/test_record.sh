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
tap_check "on request: the PIN" holds whole "20 00 01 08 31 32 33 34"
"$CCID_SIM" record -o $e2e_tmp/none 1234:5678 -- true 2> $e2e_tmp/said
tap_check "no such reader: exit code 125" test $? -eq 125
tap_check "no such reader: the message names it" grep -q "opened no reader 1234:5678" $e2e_tmp/said
"$CCID_SIM" record -o $e2e_tmp/none 08e6:3437 -- sh -c 'exit 7'
tap_check "the command's exit code is returned" test $? -eq 7

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
