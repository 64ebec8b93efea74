#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The card of another reader (card 0 = pcsc:READER). The other reader is simulated as well, on a
# machine outside this one: a simulator within the simulator, each with a pcscd.
. "$(dirname "$0")/lib.sh"

card_answers()
{
	opensc-tool -a 2> /dev/null | grep -qx '3b:97:96:81:31:fe:45:69:66:64:2d:73:69:6d:3b' &&
		opensc-tool -s 80:16:00:00:03:01:02:03:00 2> /dev/null | grep -q '^01 02 03'
}

no_card()
{
	opensc-tool -a 2>&1 | grep -q 'Card not present'
}

still_no_card()
{
	sleep 3
	no_card
}

# ask WORD: has the outer machine do something.
ask()
{
	touch "$E2E_WISHES/$1"
}

inside()
{
	mkdir -p /run/ccid-sim/e2e
	# shellcheck disable=SC2086 # words
	pcscd $E2E_PCSCD_OPTIONS --foreground > /dev/null 2>&1 &
	inner=$!
	for step in "0 the card is there:card_answers" "remove it goes with the card:no_card" \
			"0 and no other is there 3 s later:still_no_card" \
			"insert and is there again:card_answers" "0 resets are passed on:resets"; do
		wish=${step%% *}
		[ "$wish" = 0 ] || ask "$wish"
		name=${step#* }
		if wait_until "${name#*:}"; then
			echo "ok - ${name%:*}"
		else
			echo "not ok - ${name%:*}"
		fi
	done
	kill $inner
	wait $inner
}

resets()
{
	opensc-tool --reset=cold > /dev/null 2>&1 && opensc-tool --reset=warm > /dev/null 2>&1 && card_answers
}

grant()
{
	while sleep 0.05; do
		for wish in remove insert; do
			[ -e "$E2E_WISHES/$wish" ] || continue
			rm "$E2E_WISHES/$wish"
			# shellcheck disable=SC2046 # no word or one
			"$CCID_SIM" $wish 0 0 $([ $wish = insert ] && echo t1)
		done
	done
}

if [ -n "$E2E_WISHES" ]; then
	inside
	exit
fi
e2e_enter "$e2e_dir/readers/single.sim" "$0" "$@"
E2E_WISHES=$(mktemp -d /tmp/pcsc.XXXXXX)
export E2E_WISHES
pcscd_start
"$CCID_SIM" remove 0 0
"$CCID_SIM" insert 0 0 t1
wait_until card_answers
printf 'reader inner\n\tfrom = AU9540\n\tcard 0 = pcsc:%s\n' "$(opensc-tool -l | awk '/^0 / { print $3 }')" \
	> "$E2E_WISHES/inner.sim"
grant &
granter=$!
tap_include env -u LD_PRELOAD -u CCID_SIM_SOCKET "$CCID_SIM" run "$E2E_WISHES/inner.sim" -- /bin/sh "$0"
kill $granter
rm -r "$E2E_WISHES"
tap_check "pcscd exits cleanly" pcscd_stop
tap_plan
