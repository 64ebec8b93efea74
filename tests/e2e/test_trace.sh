#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# ccid-trace converts pcscd's log into a capture: it contains the messages that the simulated readers saw,
# tshark decodes each as CCID, and there is no PIN in it.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/control.sim" "$0" "$@"
trace=$e2e_build/ccid-trace
[ -x "$trace" ] || tap_skip_all "ccid-trace is not built"
LIBCCID_ifdLogLevel=0x0F
export LIBCCID_ifdLogLevel
capture=$e2e_tmp/run.pcapng

messages_of() { grep -cE " $1 +slot " $e2e_tmp/trace; }
shown_as_ccid() { tshark -r $capture -Y "$1" 2> /dev/null | grep -c USBCCID; }
# dissected FILTER [OPTION]...: how many packets.
dissected() { filter=$1; shift; tshark -r $capture "$@" -Y "$filter" 2> /dev/null | wc -l; }
apdu() { timeout 20 opensc-tool --reader 0 "$@"; }
# The card's files contain the PIN's bytes too, so the search includes the zeros after the PIN.
pin_is_hidden() { ! grep -aqP '1234\x00\x00' $capture; }

"$CCID_SIM" trace $e2e_tmp/trace
pcscd_start
tap_check "three readers" wait_readers 3
all_cards() { timeout 10 pcsc_scan -c -n > $e2e_tmp/cards; [ "$(grep -c ATR: $e2e_tmp/cards)" -ge 2 ]; }
tap_check "the cards of all readers answer" wait_until all_cards
tap_check "a conversation with a card" apdu --send-apdu 00A4020C022F00 --send-apdu 00B0000010
tap_check "a conversation with a card at T=0" timeout 20 opensc-tool --reader 2 --send-apdu 00A4020C022F00 --send-apdu 00B0000010
tap_check "a PIN is verified" apdu --send-apdu 0020000108313233340000000000
tap_check "pcscd exits cleanly" pcscd_stop
"$CCID_SIM" trace off

tap_check "the log becomes a capture" "$trace" -o $capture $e2e_log
"$trace" --log $capture > $e2e_tmp/again.log
logged() { grep -c -e "$1 [0-9A-F][0-9A-F] [0-9A-F][0-9A-F] " $e2e_tmp/again.log; }
# At its end pcscd may send one more command than it logs.
all_or_one_less() { [ "$1" -eq "$2" ] || [ "$1" -eq $(($2 - 1)) ]; }
tap_check "messages out: as many as the readers received" all_or_one_less "$(logged '->')" "$(messages_of out)"
tap_check "messages in: as many as the readers sent" all_or_one_less "$(logged '<-')" "$(messages_of in)"
tap_check "the PIN is not in the capture" pin_is_hidden
tap_check "the PIN is not in the dialogue" sh -c "'$trace' --apdu $e2e_log | grep VERIFY -c | grep -qx 0"
tap_check "the dialogue has SELECT" sh -c "'$trace' --apdu $e2e_log | grep -q '00 A4 02 0C 02 2F 00  SELECT'"
if command -v tshark > /dev/null; then
	tap_check "tshark: messages out" test "$(shown_as_ccid 'usb.endpoint_address.direction == 0')" -eq "$(logged '->')"
	tap_check "tshark: messages in" test "$(shown_as_ccid 'usb.endpoint_address.direction == 1')" -eq "$(logged '<-')"
	tap_check "tshark: APDUs only on request" test "$(dissected iso7816)" -eq 0
	tap_check "tshark: the READ BINARY of a card with T=0 is an APDU" \
		test "$(dissected 'iso7816.apdu.ins == 0xB0' -d usbccid.subdissector,iso7816)" -ge 1
else
	tap_ok "tshark: messages out and in # SKIP tshark is not installed"
	tap_ok "tshark: APDUs # SKIP tshark is not installed"
fi
tap_plan
