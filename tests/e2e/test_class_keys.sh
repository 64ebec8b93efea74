#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Unlisted readers work by their class under a pcscd that has contrib/upstream/pcsc-lite-class-keys.patch. Other versions
# of pcscd do not know the keys: "./run-tests systems" builds a pcscd for this test, no other run has it.
. "$(dirname "$0")/lib.sh"
grep -q ifdInterfaceClass "$(command -v pcscd)" || tap_skip_all "pcscd does not know ifdInterfaceClass"
e2e_enter "$e2e_dir/readers/class.sim" "$0" "$@"
: > "$e2e_log"
e2e_stage
# pcscd's parser wants a line for each.
class="<key>ifdInterfaceClass</key>\n<string>0x0B</string>\n"
keys="$class<key>ifdInterfaceSubClass</key>\n<string>0x00</string>\n"
plain=$e2e_tmp/plain.plist
cp "$e2e_plist" "$plain"

# set_keys TEXT: in the bundle's list.
set_keys() { sed "0,/<dict>/s,<dict>,<dict>\n$1," "$plain" > "$e2e_plist"; }
list() { timeout 10 pcsc_scan -r 2> /dev/null | sed -n 's/^[0-9]*: //p' | sort; }
lists() { [ "$(list)" = "$1" ]; }
number_of() { timeout 10 pcsc_scan -r 2> /dev/null | grep -F -m 1 ": $1" | sed -n "s/^\([0-9]*\): .*/\1/p"; }
answers()
{
	number=$(number_of "$1")
	[ -n "$number" ] && timeout 20 opensc-tool -r "$number" -s 00A4000C023F00 2> /dev/null | grep -q 'SW1=0x90, SW2=0x00'
}
opened() { grep -c "drives $1 " "$e2e_log"; }
has() { [ "$(list | grep -cF "$1")" -eq "$2" ]; }
# pcscd with libusb in place of libudev looks at the bus only when it is told to, and does not know udev's properties.
with_libudev() { ! ldd "$(command -v pcscd)" | grep -q libusb; }
look() { with_libudev || pcscd --hotplug; }

address_of() { "$CCID_SIM" list | sed -n "s/.*\"$1\".* bus 001 device 0*\([0-9]*\).*/\1/p"; }
mkdir -p /run/udev/data
echo "E:PCSCLITE_IGNORE=1" >> "/run/udev/data/c189:$(($(address_of ignored) - 1))"

set_keys "$keys"
pcscd_start
# The reader that udev ignores counts where there is no udev.
with_libudev && n=4 || n=5
tap_check "listed and unlisted readers of class 0B, no other" wait_until has "" $n
list | sed 's/^/# /'
listed="Gemalto PC Twin Reader"
hostile='.(touch .run.ccid-sim.e2e.harm). .n.s.n ......etc.x'
for each in "$listed" "$hostile" "ifd-ccid Simulated reader"; do
	tap_check "$each: the card answers" answers "$each"
done
tap_check "class FF is left alone" test "$(opened f1f1:0001)" -eq 0
tap_check "the listed reader is opened once" test "$(opened 08e6:3437)" -eq 1
tap_check "hostile strings: no file is made" test ! -e "$e2e_tmp/harm" -a ! -e /etc/x
"$CCID_SIM" unplug second
look
tap_check "unplugged: it disappears" wait_until has "" $((n - 1))
"$CCID_SIM" plug second
"$CCID_SIM" plug late
look
tap_check "plugged in again, and another: both are listed" wait_until has "" $((n + 1))
tap_check "plugged in: the new reader is opened" wait_until test "$(opened f1f1:0006)" -eq 1
tap_check "plugged in again: it works" wait_until answers "ifd-ccid Simulated reader"
tap_check "pcscd is still running" pcscd_alive
tap_check "pcscd exits cleanly" pcscd_stop

for each in "" "$class" "$(printf %s "$keys" | sed 's/0x0B/0x10B/')" "$(printf %s "$keys" | sed 's/0x0B/B./')"; do
	set_keys "$each"
	pcscd_start
	tap_check "keys '$(printf %s "$each" | sed 's/<[^>]*>//g; s/\\n/ /g')': only the listed reader" wait_until lists "$listed 00 00"
	tap_check "keys: pcscd exits cleanly" pcscd_stop
done
tap_plan
