#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The examples of doc/test-your-program.md are run unchanged: its reader file, its script, its faults. The tested
# program looks for a card.
. "$(dirname "$0")/lib.sh"
page=$e2e_top/doc/test-your-program.md
# block TEXT: the indented block below the first line with TEXT.
block() { awk -v at="$1" 'index($0, at) { on = 1; next } on == 1 && /^    / { on = 2 } on == 2 && /^[^ ]/ { exit } on == 2' "$page" | sed 's/^    //'; }

if [ -z "$E2E_INSIDE" ]; then
	dir=$(mktemp -d) || exit 1
	# shellcheck disable=SC2064 # now
	trap "rm -rf '$dir'" EXIT
	block '`readers.sim`, in your' > "$dir/readers.sim"
	block '`test.sh`, which' > "$dir/test.sh"
	(e2e_enter "$dir/readers.sim" "$0" "$dir")
	exit $?
fi
e2e_enter - "$0"
cd "$1" || exit 1
mkdir bin
ln -s "$CCID_SIM" bin/ccid-sim
PATH=$PWD/bin:$PATH
cat > my-program << 'END'
#!/bin/sh
want=1
[ "$1" = --expect-no-card ] && want=0
for i in $(seq 100); do
	has=$(timeout 10 opensc-tool --list-readers | grep -c '^0 *Yes')
	[ "$has" -eq $want ] && echo "$want" >> ran && exit 0
	sleep 0.05
done
exit 1
END
chmod +x my-program
logged() { sh -e "$1" > said 2>&1 || { sed 's/^/# /' said; return 1; }; }
tap_check "the page's script succeeds" logged test.sh
tap_check "the program ran with a card and without one" test "$(cat ran | tr -d '\n')" = 10
tap_check "another card is inserted" sh -c 'ccid-sim list | grep -q "plain.*bus"'
tap_check "the second reader is unplugged" sh -c 'ccid-sim list | grep -q "pinpad.*unplugged"'
block '## Faults on purpose' > faults.sh
tap_check "the simulator accepts the page's faults" logged faults.sh
tap_check "all four faults of the page are tried" test "$(grep -c '^ccid-sim ' faults.sh)" -eq 4
kill "$(cat /run/pcscd/pcscd.pid)"
tap_plan
