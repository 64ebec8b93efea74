#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# keep-power: an idle card keeps its power, and its PIN stays verified. By reader, by ATR, and not without the quirk.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/single.sim" "$0" "$@"

# with_pcscd WHAT QUIRKS: runs keep.py under a new pcscd.
with_pcscd()
{
	IFDCCID_QUIRKS=$2
	export IFDCCID_QUIRKS
	pcscd_start
	tap_check "$1: one reader" wait_readers 1
	tap_include "$e2e_python" "$e2e_dir/keep.py" "$1"
	tap_check "$1: pcscd exits cleanly" pcscd_stop
}

with_pcscd "without" ""
atr=$(sed -n 's/^# ATR //p' "$e2e_tmp/tap")
with_pcscd "by reader" 08e6:3437:keep-power
with_pcscd "by ATR" "atr:$atr:keep-power"
with_pcscd "another card" "08e6:3437:keep-power;atr:$atr:-keep-power"
tap_plan
