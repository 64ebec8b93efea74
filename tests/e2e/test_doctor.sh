#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# ccid-doctor beside a real pcscd: no fault with a good reader, and the right report for each fault.
. "$(dirname "$0")/lib.sh"
# Other tests run a pcscd as well, which ccid-doctor would find without a process namespace.
if [ -z "$E2E_PROCESSES" ]; then
	e2e_own=--mount-proc
	[ "$(id -u)" = 0 ] || e2e_own="--map-root-user $e2e_own"
	# shellcheck disable=SC2086 # words
	unshare $e2e_own --pid --fork true 2> /dev/null || tap_skip_all "no process namespace here"
	# shellcheck disable=SC2086
	E2E_PROCESSES=own exec unshare $e2e_own --pid --fork /bin/sh "$0" "$@"
fi
e2e_enter "$e2e_dir/readers/doctor.sim" "$0" "$@"
# Since 2.4 pcscd runs as its own user, and no udev gives this user the simulated readers.
chmod 666 /dev/bus/usb/001/* || tap_skip_all "cannot give the readers to pcscd"
doctor=$e2e_build/ccid-doctor
[ -x "$doctor" ] || tap_skip_all "ccid-doctor is not built"

# doctor_says CODE TEXT [ARGUMENT...]
doctor_says()
{
	want=$1 text=$2
	shift 2
	"$doctor" "$@" > $e2e_tmp/doctor 2>&1
	[ $? -eq "$want" ] && grep -qF -- "$text" $e2e_tmp/doctor && return
	sed 's/^/# /' $e2e_tmp/doctor
	return 1
}
is_json() { "$e2e_python" -c 'import json, sys; sys.exit(json.load(sys.stdin)["result"] != sys.argv[1])' "$1" < $e2e_tmp/doctor; }
has_no_secret() { ! grep -q S-0042 $e2e_tmp/doctor; }
card_is() { doctor_says "$1" "$2" 2> /dev/null > /dev/null; }

tap_check "pcscd is not started" doctor_says 1 "nothing starts it"
pcscd_start
tap_check "one reader" wait_readers 1
tap_check "all is well" wait_until doctor_says 0 "All is well."
tap_check "the reader is shown by its name" grep -q '  ok      shown  *as "Gemalto PC Twin Reader 00 00"' $e2e_tmp/doctor
tap_check "its card is seen" wait_until doctor_says 0 "1 card"
tap_check "all is well, as JSON" doctor_says 0 '"result": "well"' --json
tap_check "its output is JSON" is_json well
tap_check "the serial number is not shown" has_no_secret
"$CCID_SIM" remove good 0
tap_check "no card" wait_until card_is 0 "no card is in it"
"$CCID_SIM" insert good 0 mute
tap_check "a card that does not answer" wait_until card_is 1 "does not answer (voltages of the reader: 5"
# A card without power that is replaced between two looks of pcscd is the same card to pcscd: no person is that fast.
"$CCID_SIM" remove good 0
tap_check "the card is removed" wait_until card_is 0 "no card is in it"
"$CCID_SIM" insert good 0 t1
tap_check "another card: all is well again" wait_until doctor_says 0 "1 card"
"$CCID_SIM" plug unlisted
tap_check "a reader that is not listed" doctor_says 1 "ccid-add-reader f1f1:0001"
tap_check "the other reader is well" doctor_says 0 "All is well." 08e6:3437
"$CCID_SIM" unplug unlisted
"$CCID_SIM" plug twin
chmod 666 /dev/bus/usb/001/* 2> /dev/null
two_are_well() { doctor_says 0 'as "Gemalto PC Twin Reader 01 00"' && grep -q "All is well." $e2e_tmp/doctor; }
tap_check "an identical reader is shown by its own name" wait_until two_are_well
"$CCID_SIM" insert twin 1 mute
twin_is_mute() { doctor_says 1 'in "Gemalto PC Twin Reader 01 01" does not answer' && [ "$(grep -c BROKEN $e2e_tmp/doctor)" = 1 ]; }
tap_check "its card is mute: the other reader is not blamed" wait_until twin_is_mute
"$CCID_SIM" unplug twin
tap_check "the identical reader is unplugged" wait_readers 1
"$CCID_SIM" fault twin silent count=0
"$CCID_SIM" plug twin
tap_check "an identical reader that answers nothing" wait_until doctor_says 1 "but others of that name"
"$CCID_SIM" unplug twin
"$CCID_SIM" fault silent silent if=1 count=0
"$CCID_SIM" plug silent
tap_check "an interface that answers nothing" wait_until doctor_says 1 "1 of its 2 interfaces"
"$CCID_SIM" unplug silent
tap_check "one reader is left" wait_readers 1
"$CCID_SIM" fault silent silent count=0
"$CCID_SIM" plug silent
not_shown() { doctor_says 1 "the driver could not open it" 076b:5422; }
tap_check "a reader that answers nothing" wait_until not_shown
"$CCID_SIM" unplug silent
kill -STOP "$pcscd_pid"
tap_check "pcscd hangs" doctor_says 1 "pcscd has not answered within"
kill -CONT "$pcscd_pid"
tap_check "pcscd exits cleanly" pcscd_stop

# The list is changed after pcscd has started.
cp "$e2e_plist" $e2e_tmp/whole
sed -i 's/0x08E6/0xF1F1/' "$e2e_plist"
pcscd_start
tap_check "not in the list: no reader" wait_readers 0
tap_check "not in the list: ccid-doctor says so" doctor_says 1 "lists 08e6:3437"
newer() { cat $e2e_tmp/whole > "$e2e_plist"; doctor_says 1 "pcscd was started before the list"; }
tap_check "the list is newer than the running pcscd" wait_until newer
tap_check "pcscd exits cleanly again" pcscd_stop
tap_check "the socket of a pcscd that has ended is left" doctor_says 1 "pcscd does not run"
tap_plan
