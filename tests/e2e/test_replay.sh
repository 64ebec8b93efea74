#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Record, replay, record: the second recording equals the first, also when the player reads pcscd's log, the log of
# libccid or a capture. For a driver that does something else, the player says where.
. "$(dirname "$0")/lib.sh"

# talk SIM RECORDING: pcscd and a card, recorded, on the readers of SIM.
if [ "$1" = talk ]; then
	e2e_enter "$2" "$0" "$@"
	apdu() { timeout 20 opensc-tool --reader 0 "$@"; }
	LIBCCID_ifdLogLevel=0x0F
	IFDCCID_LOG_SECRETS=1	# as libccid logs; the player hides the secrets
	export LIBCCID_ifdLogLevel IFDCCID_LOG_SECRETS
	E2E_LAUNCHER="$CCID_SIM record -n -o $3 08e6:3437 --"
	pcscd_start
	wait_readers 1 && apdu --send-apdu 00A4020C022F00 --send-apdu 00B0000010 --send-apdu 0020000108313233340000000000
	talk_status=$?
	pcscd_stop && cp "$e2e_log" "$3.log" && exit $talk_status
	exit 1
fi

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
talk() { sh "$0" talk "$1" "$2" > "$dir/said" 2>&1; }
says() { grep -qF -- "$1" "$dir/said"; }
# replayed FILE NAME: plays FILE, and records as NAME
replayed()
{
	printf 'reader Twin\nreplay = %s\n' "$1" > "$dir/replay.sim"
	talk "$dir/replay.sim" "$dir/$2"
}
status_is() { [ "$status" -eq "$1" ] || { sed 's/^/# /' "$dir/said"; return 1; }; }
refused() { replayed "$1" none; [ $? -eq 125 ] && says "$2"; }

talk "$e2e_dir/readers/record.sim" "$dir/first"
status=$?
grep '^1\.\.0' "$dir/said" && exit 0
tap_check "a conversation is recorded" status_is 0
replayed "$dir/first" again
status=$?
tap_check "the recording is played: the driver follows" status_is 0
# The time of pcscd's power-down of an idle card varies, and so does the place of notifications.
card() { sed -n '/^-> 6[19F]/{N;p;}' "$1" | grep -v '^int'; }
same_cards() { card "$1" > "$dir/a"; card "$2" > "$dir/b"; diff "$dir/a" "$dir/b"; }
tap_check "the card receives and sends the same" same_cards "$dir/first" "$dir/again"

trace=$e2e_build/ccid-trace
find_trace() { [ -x "$trace" ] || trace=$(command -v ccid-trace); }
# The time of pcscd's power-down of an idle card depends on notifications, which a log may not have.
messages() { grep -e '^-> 6[19F]' "$1"; }
same_messages() { messages "$1" > "$dir/a"; messages "$2" > "$dir/b"; diff "$dir/a" "$dir/b"; }
replayed "$dir/first.log" from-log
status=$?
tap_check "pcscd's log is played: the driver follows" status_is 0
tap_check "the card receives the same" same_messages "$dir/first" "$dir/from-log"
# libccid's log has numbers in place of names, and names the device once.
{
	echo "00000010 ifdhandler.c:150:CreateChannelByNameOrChannel() Lun: 0," \
		"device: usb:08e6/3437:libudev:0:/dev/bus/usb/001/002"
	sed -n '/ (lun 0): [<-]/s/usb:[^ ]* (lun 0): \(->\|<-\) /\1 000000 /p' "$dir/first.log"
} > "$dir/libccid.log"
replayed "$dir/libccid.log" from-libccid
status=$?
tap_check "a log as libccid writes it is played: the driver follows" status_is 0
tap_check "the card receives the same" same_messages "$dir/first" "$dir/from-libccid"
if find_trace; then
	"$trace" -o "$dir/first.pcapng" "$dir/first.log"
	replayed "$dir/first.pcapng" from-capture
	status=$?
	tap_check "a capture is played: the driver follows" status_is 0
	tap_check "the card receives the same" same_messages "$dir/first" "$dir/from-capture"
	head -c 3000 "$dir/first.pcapng" > "$dir/cut.pcapng"
	tap_check "a truncated capture is refused, with the place" refused "$dir/cut.pcapng" ": byte "
else
	tap_ok "a capture is played # SKIP ccid-trace is not built"
fi

sed 's/^\(-> 61 .*ss 01 00 00\) 96 /\1 95 /' "$dir/first" > "$dir/other"
replayed "$dir/other" none
status=$?
tap_check "a driver that departs from the recording: exit code 98" status_is 98
tap_check "the message names both commands" says "the driver asked SetParameters 96 10 00 45 00 FE 00; the recording has SetParameters 95"
awk '/^-> 6F/ && ++n == 3 { print "-> 6B 01 00 00 00 00 ss 00 00 00 77\n<- 83 00 00 00 00 00 ss 00 00 00" } 1' \
	"$dir/first" | awk '/^end/ { $2 += 2 } 1' > "$dir/more"
replayed "$dir/more" none
status=$?
tap_check "a command that the driver leaves out: exit code 98" status_is 98
tap_check "the message names the command" says "the recording has Escape 77 before it"
head -c 2000 "$dir/first" > "$dir/cut"
tap_check "a truncated file is refused, with the line" refused "$dir/cut" "line $(grep -c '' "$dir/cut"): "
sed 's/ 3B 97 / 3B 9x /' "$dir/first" > "$dir/wrong"
line=$(grep -n 9x "$dir/wrong" | sed -n '1s/:.*//p')
tap_check "a damaged file is refused, with the line" refused "$dir/wrong" "line $line: not a byte"
echo "1..$tap_count"
[ "$tap_failed" -eq 0 ]
