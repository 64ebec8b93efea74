#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Static analysis of src/, folder by folder: gcc -fanalyzer, clang-tidy and cppcheck find no fault. The checks that
# are off, and the reasons, are in analyse.exceptions. A missing tool is a failed case.
# From make: top_srcdir, abs_top_builddir, CHECK_CPPFLAGS.
: "${top_srcdir:=.}" "${abs_top_builddir:=$PWD}"
read -ra flags <<<"$CHECK_CPPFLAGS"
flags+=('-DPCSCLITE_HP_DROPDIR="/"' '-DBUNDLE_ARCH="Linux"' '-DPCSCD_GROUP="pcscd"')
here=$(dirname "$0")

# off FOLDER: prints the checks that are off there, one a line; a check of gcc begins with "-".
off() {
	awk -v folder="$1" '/^[^#]/ && ($2 == "*" || $2 == folder) { print $1 }' "$here/analyse.exceptions"
}

tidy_checks() {
	printf '%s' '-*,bugprone-*,cert-*,clang-analyzer-*,concurrency-*,performance-*,portability-*'
	off "$1" | sed -n '/^[^-]/s/^/,-/p' | tr -d '\n'
}

# TOOL_says FOLDER FILE: prints only the tool's findings; FILE receives its other output.
gcc_says() {
	local file less
	mapfile -t less < <(off "${1##*/}" | sed -n 's/^-W/-Wno-/p')
	for file in "$1"/*.c; do
		gcc "${flags[@]}" -Wall -Wextra -fanalyzer "${less[@]}" -c -o /dev/null "$file" 2>&1
	done
}

# The shallow mode of clang's analyser takes a sixth of the time.
tidy_says() {
	clang-tidy --quiet --checks="$(tidy_checks "${1##*/}")" \
		--config='{CheckOptions: [{key: concurrency-mt-unsafe.FunctionSet, value: glibc}]}' \
		"$1"/*.c -- "${flags[@]}" -Xclang -analyzer-config -Xclang mode=shallow 2>"$2" ||
		cat "$2"
}

cppcheck_says() {
	local each own=()
	for each in "${flags[@]}"; do
		case $each in
		-D* | -I*) own+=("$each") ;;
		esac
	done
	cppcheck -q --enable=warning,performance,portability --inline-suppr --std=c11 \
		--include="$abs_top_builddir/config.h" "${own[@]}" "$1" 2>&1
}

# analyse.sh one WORK TOOL FOLDER: runs one tool on one folder; started below.
if [ "$1" = one ]; then
	out=$2/$3.${4##*/}
	{ "$3_says" "$4" "$2/err.${4##*/}" || echo "$3: status $?"; } >"$out"
	exit 0
fi

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
n=0

result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed 's/^/# /' "$3"
	fi
}

# Each tool must find a fault in this file.
mkdir "$work/bad"
cat >"$work/bad/bad.c" <<-END
	#include <stdlib.h>
	int bad(char *p);
	int bad(char *p)
	{
		char text[2] = "a";
		free(p); text[2] = *p;
		return text[0];
	}
END

folders=()
for each in "$top_srcdir"/src/*/; do
	folders+=("${each%/}")
done
# The slowest tool comes first.
for tool in tidy gcc cppcheck; do
	printf "$tool\\0%s\\0" "${folders[@]}" "$work/bad"
done | xargs -0 -n 2 -P "$(nproc)" bash "$0" one "$work"

for tool in gcc tidy cppcheck; do
	for each in "${folders[@]}"; do
		found=$work/$tool.${each##*/}
		[ -f "$found" ] && [ ! -s "$found" ]
		result $? "$tool: src/${each##*/}" "$found"
	done
	grep -q 'bad\.c:6' "$work/$tool.bad"
	result $? "$tool finds a fault" "$work/$tool.bad"
done
echo "1..$n"
