# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Sourced by run-tests: README's two commands, the packages, and pcsc-lite from Debian's source, in minimal roots of
# several Debian systems, as root and as an ordinary user who may use sudo, whose locale is en_US.UTF-8.
#
# SYSTEMS="SUITE:USER ..."	the systems to test (default: bookworm, trixie and sid, root and tester each)
# The results are written to build/tested.tsv; its copy in tests/systems is README's table (tools/tested-table).
# run-tests -c FOLDER		keeps pristine roots in FOLDER and reuses them (default: made each time)
#
# Each root is a copy of a pristine one, in its own mount and process namespace (root.sh). From this machine the root
# has only the source of HEAD and the mirror's address. As many roots run at once as there are processors.

# shellcheck source=tests/systems/root.sh
. "$(dirname "${BASH_SOURCE[0]}")/root.sh"

systems_all="bookworm:tester trixie:tester trixie:root sid:tester sid:root bookworm:root"

# systems_pristine SUITE: makes the root if it does not exist. An unfinished root has another name.
systems_pristine() {
	local root=$systems_cache/$1

	[ -e "$root/etc/debian_version" ] && return
	rm -rf --one-file-system "$root.new"
	debian_root "$1" "$root.new" "$systems_mirror" >"$systems_work/$1.log" 2>&1 && mv "$root.new" "$root"
}

systems_source() {
	if [ -e .git ] && git rev-parse -q --verify HEAD >/dev/null 2>&1; then
		git -c safe.directory='*' archive HEAD
	else
		tar c --exclude=./build --exclude=./.git .
	fi
}

# systems_one SUITE USER PART...: copies a root, uses it and removes it; the results stay in $systems_work/SUITE-USER.
systems_one() {
	local suite=$1 user=$2 at=$systems_work/$1-$2 root=$systems_work/root-$1-$2
	shift 2

	mkdir -p "$at"
	cp -a "$systems_cache/$suite" "$root" || return
	apt-config dump | grep -E '^Acquire::(Check-|http|https|Retries)' >"$root/etc/apt/apt.conf.d/90machine"
	echo "127.0.0.1 localhost $(cat "$root/etc/hostname")" >"$root/etc/hosts"
	cp "$systems_work/source.tar" "$root/source.tar"
	cp tests/systems/inside.sh "$root/inside.sh"
	in_root "$root" /bin/bash /inside.sh "$user" "$@" >"$at/log" 2>&1
	cp -r "$root/result/." "$at/"
	if [ -d "$at/debs" ]; then
		TMPDIR=$systems_work BUILT=$at/debs PRISTINE=$systems_cache/$suite SUITE=$suite \
			bash tests/package/debian.sh >"$at/packages.tap" 2>&1
	fi
	rm -rf --one-file-system "$root"
}

# systems_parts SUITE USER: packages once for each suite, pcsclite where Debian has a newer version.
systems_parts() {
	local parts="demo tests"

	case " $systems_seen " in
	*" $1 "*) ;;
	*)
		systems_seen="$systems_seen $1"
		parts="$parts packages"
		[ "$1" = bookworm ] || parts="$parts pcsclite"
		;;
	esac
	echo "$parts"
}

# systems_line SUITE USER SECONDS PART...: collects the results, and makes the line; a part without results has failed.
systems_line() {
	local name=systems-$1-$2 suite=$1 user=$2 at=$systems_work/$1-$2 seconds=$3 part p f s
	shift 3

	rm -rf "${folder:?}/$name" && cp -r "$at" "$folder/$name" && rm -rf "$folder/$name/debs"
	for part in "$@"; do
		if [ -s "$at/$part.tsv" ]; then
			awk -F '\t' -v OFS='\t' -v name="$name" -v to="$folder/$name" '{
				$1 = name
				sub(/^.*\/result\//, to "/", $6)
				sub(/^build\//, to "/", $6)
				print
			}' "$at/$part.tsv" >"$at/rows"
			add_rows "$at/rows"
			awk -F '\t' '$3 == "SKIP" { print $1 ": " $2 ": skipped: " $4 }' "$at/rows"
		else
			record "$name" "$part" FAIL "$part printed nothing" 0 "$folder/$name/$part.log"
		fi
	done
	[ ! -e "$at/packages.tap" ] || collect_tap "$name" packages "$folder/$name/packages.tap" 0
	read -r p f s < <(count_in "$name")
	printf '%-8s  %-6s  %s  %d passed, %d failed, %d skipped, %d s\n' "$suite" "$user" \
		"$(paste -s -d ' ' "$at/versions" 2>/dev/null)" "$p" "$f" "$s" "$seconds" >>"$systems_work/table"
	{
		printf '%s\t%s\t' "$suite" "$user"
		for part in gcc cmocka libusb pcscd udev; do
			printf '%s\t' "$(sed -n "s/^$part //p" "$at/versions" 2>/dev/null)"
		done
		printf '%d\t%d\t%d\n' "$p" "$f" "$s"
	} >>"$folder/tested.tsv"
}

systems_skip() {
	record "systems-$1" root SKIP "$2"
	echo "systems: $1: skipped: $2"
}

systems() {
	local each suite user began chosen=() systems_seen='' parts

	[ "$(id -u)" = 0 ] || { systems_skip all "needs root"; return; }
	need_packages debootstrap util-linux xz-utils || { systems_skip all "no debootstrap"; return; }
	systems_work=$(mktemp -d "${TMPDIR:-/var/tmp}/ifd-ccid-systems.XXXXXX") || exit 1
	trap 'rm -rf --one-file-system "$systems_work"' EXIT
	systems_cache=${cache:-$systems_work/pristine}
	systems_mirror=$(debian_mirror)
	mkdir -p "$systems_cache" && systems_source >"$systems_work/source.tar" || exit 1
	say "systems: minimal roots"
	for suite in $(printf '%s\n' ${SYSTEMS:-$systems_all} | sed 's/:.*//' | sort -u); do
		systems_pristine "$suite" &
	done
	wait
	for each in ${SYSTEMS:-$systems_all}; do
		suite=${each%:*} user=${each#*:}
		if [ ! -d "$systems_cache/$suite" ]; then
			tail -n 3 "$systems_work/$suite.log"
			systems_skip "$suite-$user" "no minimal root from $systems_mirror"
			continue
		fi
		parts=$(systems_parts "$suite" "$user")
		case " $parts " in *" packages "*) systems_seen="$systems_seen $suite" ;; esac
		chosen+=("$suite $user $parts")
		while [ "$(jobs -rp | wc -l)" -ge "$(jobs_here)" ]; do
			wait -n
		done
		(
			began=$SECONDS
			# shellcheck disable=SC2086 # words
			systems_one "$suite" "$user" $parts </dev/null
			echo $((SECONDS - began)) >"$systems_work/$suite-$user.seconds"
			say "systems: $suite $user has ended"
		) &
	done
	wait
	printf '# SPDX-License-Identifier: LGPL-2.1-or-later\n# suite\tuser\tgcc\tcmocka\tlibusb\tpcscd\tudev\tpassed\tfailed\tskipped\n' >"$folder/tested.tsv"
	for each in "${chosen[@]}"; do
		read -r suite user parts <<<"$each"
		# shellcheck disable=SC2086 # words
		systems_line "$suite" "$user" "$(cat "$systems_work/$suite-$user.seconds")" $parts
	done
	cat "$systems_work/table" 2>/dev/null
	rm -rf --one-file-system "$systems_work"
	trap - EXIT
}
