#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Unlisted readers work by their class, through the installed reader.conf file; a reader that is plugged in later works
# with pcscd 2.5.2 and newer at once, with older ones when pcscd starts.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/class.sim" "$0" "$@"
: > "$e2e_log"
class_library=$e2e_build/.libs/libccid-class.so
[ -f "$class_library" ] || tap_skip_all "libccid-class.so is not built"
conf=$e2e_tmp/reader.conf.d/libccid-class
sed "s,^\(LIBPATH[^/]*\).*,\1$class_library," "$e2e_build/readers/libccid-class" > "$conf"

list() { timeout 10 pcsc_scan -r 2> /dev/null | sed -n 's/^[0-9]*: //p' | sort; }
lists() { [ "$(list)" = "$1" ]; }
# Cards answer at T=1 and at T=0: the root of the file system can be selected.
number_of() { timeout 10 pcsc_scan -r 2> /dev/null | sed -n "s/^\([0-9]*\): $1\$/\1/p"; }
# Without a number opensc-tool takes the first reader.
answers()
{
	number=$(number_of "$1")
	[ -n "$number" ] && timeout 20 opensc-tool -r "$number" -s 00A4000C023F00 2> /dev/null | grep -q 'SW1=0x90, SW2=0x00'
}
opened() { grep -c "drives $1 " "$e2e_log"; }
address_of() { "$CCID_SIM" list | sed -n "s/.*\"$1\".* bus 001 device 0*\([0-9]*\).*/\1/p"; }
finds_new_ones() { pcscd --version | awk '/version/ { split($3, v, "."); exit !(v[1] * 10000 + v[2] * 100 + v[3] >= 20502) }'; }
not() { ! "$@"; }

three="CCID reader 00 00
CCID reader 00 01
CCID reader 01 00
Gemalto PC Twin Reader 00 00"
mkdir -p /run/udev/data
echo "E:PCSCLITE_IGNORE=1" >> "/run/udev/data/c189:$(($(address_of ignored) - 1))"
files() { find / -xdev -newer "$conf" -type f ! -path "/proc/*" ! -path "/run/*" ! -path "/tmp/*" 2> /dev/null | grep -e harm -e 'etc/x'; }

pcscd_start
tap_check "two unlisted readers beside the listed one" wait_until lists "$three"
list | sed 's/^/# /'
for each in "CCID reader 00 00" "CCID reader 00 01" "CCID reader 01 00" "Gemalto PC Twin Reader 00 00"; do
	tap_check "$each: the card answers" answers "$each"
done
tap_check "the listed reader is opened once" test "$(opened 08e6:3437)" -eq 1
tap_check "class FF is left alone" test "$(opened f1f1:0001)" -eq 0
tap_check "PCSCLITE_IGNORE is obeyed" test "$(opened f1f1:0005)" -eq 0
grep "drives f1f1:0003" "$e2e_log" | sed "s/^/# /"
tap_check "hostile strings: the log shows them without control characters" grep -qF 'drives f1f1:0003 "../../etc/x"; `touch /run/ccid-sim/e2e/harm` %n%s ?' "$e2e_log"
tap_check "hostile strings: no file is made" test ! -e "$e2e_tmp/harm" -a ! -e /etc/x -a -z "$(files)"
tap_check "pcscd does not warn" not grep -q "SHOULD NOT be declared\|tok_error\|Error with library" "$e2e_log"

# One reader is unplugged, and another is plugged in.
"$CCID_SIM" unplug second
"$CCID_SIM" plug late
if finds_new_ones; then
	one="CCID reader 00 00
CCID reader 00 01
Gemalto PC Twin Reader 00 00"
	wait_until lists "$one" || wait_until lists "$three"
	tap_check "unplugged: it disappears at once, or when the next reader comes" eval 'lists "$one" || lists "$three"'
	pcscd --hotplug
	tap_check "plugged in: it works" wait_until answers "CCID reader 01 00"
	tap_check "plugged in: the new reader is opened" wait_until test "$(opened f1f1:0006)" -eq 1
	"$CCID_SIM" plug second
	pcscd --hotplug
	tap_check "plugged in again: it works" wait_until answers "CCID reader 02 00"
	"$CCID_SIM" unplug second
	tap_check "unplugged again: it disappears" wait_until lists "$three"
	tap_check "the listed reader is still opened once" test "$(opened 08e6:3437)" -eq 1
	tap_check "pcscd is still running" pcscd_alive
else
	tap_check "unplugged: the other readers work" answers "CCID reader 00 00"
	tap_check "unplugged: pcscd is still running" pcscd_alive
fi
tap_check "pcscd exits cleanly" pcscd_stop

pcscd_start
tap_check "at the next start: the new reader is listed" wait_until lists "$three"
tap_check "at the next start: it answers" answers "CCID reader 01 00"
tap_check "at the next start: the new reader is opened" test "$(opened f1f1:0006)" -eq 1
tap_check "at the next start: pcscd exits cleanly" pcscd_stop

# Without an entry in reader.conf only the listed reader works.
: > "$conf"
pcscd_start
tap_check "without the entries: only the listed reader" wait_until lists "Gemalto PC Twin Reader 00 00"
tap_check "without the entries: pcscd exits cleanly" pcscd_stop
tap_plan
