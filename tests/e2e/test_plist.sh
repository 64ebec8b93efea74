#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Info.plist is missing or broken: there is a clear error, and pcscd goes on.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/single.sim" "$0" "$@"

# plist_case NAME COMMAND...: the command spoils $e2e_plist.
plist_case()
{
	plist_name=$1
	shift
	e2e_stage
	"$@"
	pcscd_start
	# pcscd 2.5 does not start with arrays of unequal length; the right result is an error that names the file.
	if grep -q "HPReadBundleValues() Error parsing .*/ifd-ccid.bundle/Contents/Info.plist" "$e2e_log" && ! pcscd_alive; then
		tap_ok "$plist_name: pcscd names the file and exits"
		return
	fi
	tap_check "$plist_name: pcscd is still running" pcscd_alive
	"$CCID_SIM" unplug 0
	"$CCID_SIM" plug 0
	tap_check "$plist_name: it is still running after a reader was plugged in" pcscd_alive
	tap_check "$plist_name: pcscd exits cleanly" pcscd_stop
}

spoil_with() { printf "$1" > "$e2e_plist"; }
spoil_binary() { head -c 4096 /bin/sh > "$e2e_plist"; }
spoil_truncated() { cp "$e2e_plist" $e2e_tmp/whole; head -c 3000 $e2e_tmp/whole > "$e2e_plist"; }
spoil_unequal() { sed -i '/<key>ifdProductID<\/key>/,/<\/array>/{0,/<string>/{/<string>/d}}' "$e2e_plist"; }

plist_case "missing" rm -f "$e2e_plist"
plist_case "empty" spoil_with ""
plist_case "blank" spoil_with '\n\n\n'
plist_case "not a plist" spoil_with 'hello\n'
plist_case "tags never closed" spoil_with '<plist><dict><key>ifdVendorID</key><array><string>0x08E6'
plist_case "binary" spoil_binary
plist_case "truncated" spoil_truncated
plist_case "arrays of unequal length" spoil_unequal

e2e_stage
pcscd_start
tap_check "restored: the reader is there" wait_readers 1
tap_check "the tested library answers" right_library
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
