#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Record, replay, record, for the readers of every scenario here: slots, interfaces, levels, tokens, PIN pads, cards that
# come and go. The second recording is the first.
. "$(dirname "$0")/lib.sh"
replays=$e2e_dir/replays.py

# talk FILE FOLDER WHICH PART: with each reader of FILE, recorded.
if [ "$1" = talk ]; then
	e2e_enter "$2" "$0" "$@"
	exec "$e2e_python" "$replays" talk "$3" "$4" "$5"
fi

dir=$(mktemp -d) || exit 1
[ -n "$REPLAYS_KEEP" ] && echo "# $dir" || trap 'rm -rf "$dir"' EXIT
part() { sh "$0" talk "$dir/$1.$2.sim" "$dir" "$1" "$2" > "$dir/$1.$2.out" 2>&1; echo $? > "$dir/$1.$2.status"; }
# A simulator that could not be started (125) beside the others is started once more, and said so.
part_or_again()
{
	part "$@"
	grep -q '^0$\|^98$\|^99$' "$dir/$1.$2.status" && ! grep -q '^1\.\.0' "$dir/$1.$2.out" && return
	sed "s/^/# once more: /" "$dir/$1.$2.out"
	part "$@"
}
# talks WHICH: with all readers, four at once.
talks()
{
	for part in 0 1 2 3; do
		part_or_again "$1" $part &
	done
	wait
	cat "$dir/$1".?.out > "$dir/$1.out"
	[ "$(cat "$dir/$1".?.status | sort -u)" = 0 ] || { grep -h '^ccid-sim:\|Error' "$dir/$1.out" | sed 's/^/# /'; return 1; }
}

"$e2e_python" "$replays" readers "$dir"
talks first
status=$?
grep '^1\.\.0' "$dir/first.out" && exit 0
tap_check "conversations with $(grep -c '^reader ' "$dir"/first.?.sim | awk -F: '{ n += $2 } END { print n }') readers are recorded" test $status -eq 0
"$e2e_python" "$replays" replayed "$dir"
talks again
status=$?
tap_check "the recordings are played: the driver follows" test $status -eq 0
"$e2e_python" "$replays" compare "$dir" "$dir/again.out" > "$dir/compared"
while IFS= read -r line; do
	case $line in
	"ok "*) tap_ok "${line#*- }: the same" ;;
	"not ok "*) tap_not_ok "${line#*- }: the same" ;;
	*) echo "$line" ;;
	esac
done < "$dir/compared"
echo "1..$tap_count"
[ "$tap_failed" -eq 0 ]
