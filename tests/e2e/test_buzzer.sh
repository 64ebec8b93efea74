#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Escape commands for one kind of reader, by IFDCCID_QUIRKS: the recipe of doc/recipes.md that switches a buzzer off.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/buzzer.sim" "$0" "$@"
scardcontrol=$e2e_build/examples/scardcontrol
shows() { timeout 20 "$@" > $e2e_tmp/shown 2>&1; sed 's/^/#   /' $e2e_tmp/shown; grep -q "$expect" $e2e_tmp/shown; }

pcscd_start
tap_check "two readers" wait_readers 2
expect='escape: Transaction failed' tap_check "buzzer: refused" shows "$scardcontrol" -r ACR122 escape FF00520000
tap_check "pcscd exits cleanly" pcscd_stop
IFDCCID_QUIRKS=072f:2200:escape-always
export IFDCCID_QUIRKS
pcscd_start
tap_check "two readers again" wait_readers 2
expect='escape: 90 00' tap_check "buzzer: switched off" shows "$scardcontrol" -r ACR122 escape FF00520000
expect='escape: Transaction failed' tap_check "refused by another reader" shows "$scardcontrol" -r Pinpad escape 1F02
tap_check "the log names the quirk" grep -q 'ACR122.*escape-always' "$e2e_log"
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
