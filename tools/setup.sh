# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# shellcheck disable=SC2034 # the lists are for the readers of this file
# Read by ./demo, ./run-tests and .ci/run: what a build needs, installed when it is missing
# (Debian and Ubuntu); and one build in a folder of its own.

build_packages="gcc make autoconf automake libtool pkg-config flex libusb-1.0-0-dev libpcsclite-dev
	zlib1g-dev libcmocka-dev libseccomp-dev"
run_packages="pcscd pcsc-tools opensc python3 python3-pyscard procps udev util-linux xz-utils mandoc"

# Foreign cards and programs that tests use where there are such: no system has all of them.
foreign_packages="vsmartcard-vpicc python3-pycryptodome gpg gpg-agent gpgconf scdaemon umockdev"

# What the UEFI driver is built with and runs in: its test is skipped without.
uefi_packages="gnu-efi ovmf qemu-system-x86 binutils"

# say TEXT: with the seconds since the start.
say() {
	printf '\n==== %4d s  %s\n' "$SECONDS" "$*" >&2
}

# need_packages NAME...: nothing is asked of root when all are there.
need_packages() {
	local missing=() name sudo=()

	command -v dpkg-query >/dev/null || {
		echo "not a Debian system: make sure that these are installed: $*" >&2
		return 0
	}
	for name in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed ||
			missing+=("$name")
	done
	[ ${#missing[@]} = 0 ] && return 0
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || {
			echo "missing, and there is no sudo; as root: apt-get install ${missing[*]}" >&2
			return 1
		}
		sudo=(sudo)
	fi
	say "installing ${missing[*]}"
	"${sudo[@]}" apt-get update -q >&2 &&
		"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
			--no-install-recommends "${missing[@]}" >&2
}

jobs_here() {
	nproc 2>/dev/null || echo 2
}

# wish_packages NAME...: those that this system has; a missing one is not an error.
wish_packages() {
	local known=() name

	for name in "$@"; do
		apt-cache show "$name" >/dev/null 2>&1 && known+=("$name")
	done
	[ ${#known[@]} = 0 ] || need_packages "${known[@]}" ||
		echo "tests that need them are skipped: ${known[*]}" >&2
	return 0
}

# Most tests wait for a pcscd rather than for a processor.
tests_at_once() {
	echo $((2 * $(jobs_here)))
}

no_configure() {
	[ ! -x configure ] || [ configure.ac -nt configure ] || newer_makefile
}

# can_build FOLDER: else one line why not, and what to do. In the top folder.
can_build() {
	local places

	places=$(pwd -P):$(mkdir -p "$1" 2>/dev/null && cd "$1" && pwd -P)
	if [[ $places == *[[:space:]\"\#\$\&\'\`\\]* ]]; then
		echo "make cannot work below a path with a blank or a quote in it: move the folder $PWD elsewhere" >&2
	elif [ -f config.status ] && [ "$1" != . ]; then
		echo "the source folder itself is configured, and builds elsewhere refuse that: make distclean, then again" >&2
	elif no_configure && [ ! -w . ]; then
		echo "there is no configure, and $PWD is read-only: work on a copy" >&2
	elif ! : 2>/dev/null >"$1/.writable"; then
		echo "cannot write into $1: give another folder (./run-tests -b FOLDER), or work on a copy" >&2
	else
		return 0
	fi
	return 1
}

# newer_makefile: a part of Makefile.am has changed since automake read it.
newer_makefile() {
	[ ! -f Makefile.in ] ||
		[ -n "$(find Makefile.am contrib examples readers src tests -name '*.am' -newer Makefile.in)" ]
}

# build_in FOLDER CONFIGURE-ARGUMENT...: configure, make; runs in the top folder. $parts: what to make, if not all.
build_in() {
	local folder=$1
	shift
	can_build "$folder" || return 1
	if no_configure; then
		./autogen.sh >&2 || return 1
	fi
	(
		cd "$folder" || exit 1
		if [ "$(cat .configured-with 2>/dev/null)" != "$*" ] || [ ! -f Makefile ] ||
			[ "$OLDPWD/configure" -nt Makefile ]; then
			"$OLDPWD/configure" "$@" >&2 || exit 1
			echo "$*" >.configured-with
		fi
		# shellcheck disable=SC2086 # a list of words
		make -s -j"$(jobs_here)" ${parts:-} >&2
	)
}

# build_quietly FOLDER CONFIGURE-ARGUMENT...: build_in, with all that it says in FOLDER.log, and one line here. A build
# that fails shows the end of its log. $verbose: shows all.
build_quietly() {
	local log=$1.log begin=$SECONDS status

	mkdir -p "$(dirname "$1")" || return 1
	if [ -n "${verbose:-}" ]; then
		(build_in "$@") 2>&1 | tee "$log" >&2
		status=${PIPESTATUS[0]}
	else
		(build_in "$@") >"$log" 2>&1
		status=$?
		[ "$status" = 0 ] || tail -n 30 "$log" >&2
	fi
	if [ "$status" = 0 ]; then
		echo "built in $1 in $((SECONDS - begin)) s (log: $log)" >&2
	else
		echo "the build in $1 failed after $((SECONDS - begin)) s (log: $log)" >&2
	fi
	return "$status"
}
