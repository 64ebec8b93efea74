#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A second opinion on the simulator: GnuPG's scdaemon, with its own CCID driver and without pcscd, reads an OpenPGP
# card.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/scdaemon.sim" "$0" "$@"
if ! command -v gpg gpg-connect-agent gpgconf > /dev/null ||
		[ ! -x "$(gpgconf --list-components 2> /dev/null | sed -n 's/^scdaemon:.*://p')" ]; then
	tap_skip_all "gpg or scdaemon is not installed"
fi
has_come()
{
	[ "$(grep -c 'card inserted' $e2e_tmp/trace)" -eq "$1" ]
}

"$CCID_SIM" trace $e2e_tmp/trace
"$e2e_python" "$e2e_dir/openpgp_card.py" 36000 36001 36002 36003 36004 2> $e2e_tmp/cards.log &
cards_pid=$!
wait_until has_come 5
"$CCID_SIM" trace off
GNUPGHOME=$e2e_tmp/gnupg
export GNUPGHOME
e2e_log=$e2e_tmp/scd.log	# shown when something fails

new_home()
{
	rm -rf $GNUPGHOME
	mkdir -m 700 $GNUPGHOME
	printf 'log-file %s\nverbose\ndebug cardio\ndebug-ccid-driver\n' $e2e_log > $GNUPGHOME/scdaemon.conf
	: > $e2e_log
}

# A reader behind a real kernel appears after about a second.
status_is_right()
{
	for try in 1 2 3 4 5 6 7 8; do
		new_home
		timeout 120 gpg --batch --card-status > $e2e_tmp/gpg 2>&1
		grep -q 'No such device' $e2e_tmp/gpg || break
		gpgconf --kill all
		sleep 1
	done
	[ "$try" -gt 1 ] && echo "# at attempt $try"
	grep -q '^Application ID .*: D2760001240103040005000049540000' $e2e_tmp/gpg &&
		grep -q '^Name of cardholder: Simulated Reader' $e2e_tmp/gpg &&
		grep -q '^Signature counter .*: 42' $e2e_tmp/gpg && return
	sed 's/^/# /' $e2e_tmp/gpg
	return 1
}

own_driver()
{
	grep -q 'ccid open error' $e2e_log && return 1
	grep -q 'PC_to_RDR_XfrBlock' $e2e_log
}

by_escape()
{
	grep -q 'PC_to_RDR_Escape' $e2e_log && grep -q 'resync ack' $e2e_log
}

# echoes N EXTENDED-LENGTH? LC LE: the card returns N bytes unchanged (its INS 16).
echoes()
{
	data=$(head -c "$1" /dev/zero | od -An -v -tx1 | tr -d ' \n' | sed 's/00/5a/g')
	timeout 120 gpg-connect-agent --hex "scd apdu $2 80160000$3$data$4" /bye > $e2e_tmp/echo 2>&1
	said=$(sed -n 's/^D\[[0-9a-fA-F]*\]  //p' $e2e_tmp/echo | sed 's/   .*//' | tr -d ' \n' | tr A-F a-f)
	[ "$said" = "${data}9000" ] && return
	sed 's/^/# /' $e2e_tmp/echo
	return 1
}

content()
{
	grep -iE 'fail|error|invalid|timed|unknown|bad |mismatch|too ' $e2e_log | grep -v 'bError .*: 0$' > $e2e_tmp/grumble
	[ ! -s $e2e_tmp/grumble ] && return
	sed 's/^/# /' $e2e_tmp/grumble
	return 1
}

# scdaemon 2.4 repeats its refused block for ever, whatever the card's sequence numbers are.
version=$("$(gpgconf --list-components | sed -n 's/^scdaemon:.*://p')" --version | sed -n '1s/.* //p')
for level in tpdu short extended omnikey gnuk; do
	case $level:$version in
	omnikey:2.2.*) ;;
	omnikey:*)
		tap_ok "omnikey: T=1 blocks in Escape commands # SKIP scdaemon $version does not end a resynchronisation"
		continue ;;
	esac
	"$CCID_SIM" plug $level
	tap_check "$level: gpg --card-status" status_is_right
	tap_check "$level: scdaemon uses its own driver" own_driver
	tap_check "$level: 254 bytes echoed" echoes 254 "" fe 00
	# The reader's own blocks and blocks in Escape commands advance the card's numbers. scdaemon resynchronises when
	# the card refuses its block, and then sends the same block again, which helps only with block number 0, as in
	# --card-status. Here the number is 1; one more short APDU makes it 0.
	[ $level != omnikey ] || tap_check "$level: 10 bytes echoed" echoes 10 "" 0a 00
	[ $level = short ] || tap_check "$level: 400 bytes echoed" echoes 400 --exlen=2048 000190 0000
	[ $level != omnikey ] || tap_check "$level: T=1 blocks in Escape commands, after a resynchronisation" by_escape
	tap_check "$level: scdaemon's driver logs no error" content
	gpgconf --kill all
	"$CCID_SIM" unplug $level
done
kill $cards_pid
wait $cards_pid 2> /dev/null
tap_plan
