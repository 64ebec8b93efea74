#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Cards of other programs (card 0 = vpcd:PORT): our own model behind every level; Debian's vicc, opensc-tool,
# pkcs11-tool and gpg.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/vpcd.sim" "$0" "$@"
pcscd_start

# own_cards PORT...: starts our cards; own_pid is their process.
own_cards()
{
	"$e2e_python" "$e2e_dir/openpgp_card.py" "$@" 2> $e2e_tmp/cards.log &
	own_pid=$!
}

# gpg has its own home; no agent or card daemon is left behind.
gpg_card_status()
{
	rm -rf $e2e_tmp/gnupg
	mkdir -m 700 $e2e_tmp/gnupg
	printf 'disable-ccid\nlog-file %s/scd.log\n' $e2e_tmp > $e2e_tmp/gnupg/scdaemon.conf
	GNUPGHOME=$e2e_tmp/gnupg timeout 60 gpg --batch --card-status > $e2e_tmp/gpg 2>&1
	gpg_said=$?
	GNUPGHOME=$e2e_tmp/gnupg gpgconf --kill all 2> /dev/null
	return $gpg_said
}

gpg_reads_the_card()
{
	gpg_card_status && grep -q '^Application ID .*: D2760001240103040005000049540000' $e2e_tmp/gpg &&
		grep -q '^Name of cardholder: Simulated Reader' $e2e_tmp/gpg &&
		grep -q '^Signature counter .*: 42' $e2e_tmp/gpg && return
	sed 's/^/# /' $e2e_tmp/gpg
	return 1
}

# with_reader LEVEL COMMAND...: pcscd has this reader alone, with its card.
with_reader()
{
	reader=$1
	shift
	"$CCID_SIM" plug "$reader"
	wait_readers 1
	wait_until has_card
	tap_check "$reader: $*" "$@"
	"$CCID_SIM" unplug "$reader"
	wait_readers 0
}

has_card()
{
	opensc-tool -a > $e2e_tmp/atr 2> /dev/null
}

vicc_answers()
{
	grep -qi '^3b:95:13:81:01:80:73:ff:01:00:0b' $e2e_tmp/atr &&
		timeout 60 opensc-tool -s 00:A4:00:0C:02:3F:00 > $e2e_tmp/tool 2>&1 &&
		grep -q 'SW1=0x90, SW2=0x00' $e2e_tmp/tool && return
	sed 's/^/# /' $e2e_tmp/atr $e2e_tmp/tool
	return 1
}

# The card has no PKCS #15 application: the tool says so, and ends.
pkcs11_tool_sees_it()
{
	timeout 60 pkcs11-tool -L > $e2e_tmp/tool 2>&1
	grep -q '^Slot 0 ' $e2e_tmp/tool && return
	sed 's/^/# /' $e2e_tmp/tool
	return 1
}

# vicc ends with an exception at some commands, as if the card were removed.
gpg_ends()
{
	gpg_card_status
	[ $? -lt 124 ] && return
	sed 's/^/# /' $e2e_tmp/gpg
	return 1
}

with_vicc()
{
	"$e2e_python" "$e2e_dir/vicc.py" -P "$1" > $e2e_tmp/vicc.log 2>&1 &
	vicc_pid=$!
	with_reader "$2" "$3"
	kill $vicc_pid 2> /dev/null
	wait $vicc_pid 2> /dev/null
}

own_cards 36000 36001 36002 36003 36004 36005 36006 36007 36008 36009
tap_include "$e2e_python" "$e2e_dir/vpcd.py"
"$CCID_SIM" plug tpdu-t1
wait_readers 1
tap_check "the tested library answered" right_library
"$CCID_SIM" unplug tpdu-t1
wait_readers 0
if command -v gpg > /dev/null && [ -x "$(gpgconf --list-components 2> /dev/null | sed -n 's/^scdaemon:.*://p')" ]; then
	# Not at T=0: the card announces extended APDUs, and GnuPG uses them.
	for level in tpdu-t1 short-t1 extended-t1 char-t1 iccd-b; do
		with_reader $level gpg_reads_the_card
	done
else
	tap_ok "gpg --card-status reads the card # SKIP gpg or scdaemon is not installed"
fi
kill $own_pid
wait $own_pid 2> /dev/null
if "$e2e_python" "$e2e_dir/vicc.py" --there > $e2e_tmp/vicc.log 2>&1; then
	i=0
	for level in tpdu-t1 tpdu-t0 short-t1 short-t0 extended-t1 extended-t0; do
		case $level in
		*t1) with_vicc $((36000 + i)) $level vicc_answers ;;
		esac
		i=$((i + 1))
	done
	with_vicc 36000 tpdu-t1 pkcs11_tool_sees_it
	command -v gpg > /dev/null && with_vicc 36000 tpdu-t1 gpg_ends
else
	tap_ok "vicc # SKIP vsmartcard-vpicc or python3-pycryptodome is not installed: $(tail -n 1 $e2e_tmp/vicc.log)"
fi
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
