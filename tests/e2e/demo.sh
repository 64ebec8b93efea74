#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What there is to see without any hardware: pcscd, a reader of eight slots, and a talk with a card.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/demo.sim" "$0" "$@"
pcscd_start
wait_readers 8
echo "The driver: $CCID_BUNDLE_DIR"
grep 'Driver version\|ifd-ccid [0-9]' "$e2e_log" | head -n 1 | sed 's/^[0-9]* /  /'
echo
echo "pcsc_scan -r"
timeout 10 pcsc_scan -r
echo
echo "pcsc_scan -c -n"
all_cards() { timeout 10 pcsc_scan -c -n > $e2e_tmp/cards && [ "$(grep -c ATR: $e2e_tmp/cards)" -eq 8 ]; }
wait_until all_cards
cat $e2e_tmp/cards
echo
echo "opensc-tool --reader 0 --send-apdu: SELECT 2F00, READ BINARY"
timeout 20 opensc-tool --reader 0 --send-apdu 00A4020C022F00 --send-apdu 00B0000010
pcscd_stop
"$CCID_SIM" complaints
