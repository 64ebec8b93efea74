#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The Debian packages: built from the package of "make dist", looked at by lintian, installed in a fresh Debian
# in place of libccid, used by pcscd on simulated readers, and removed again. Needs root and the network. TAP.
#	tests/package/debian.sh		TARBALL=FILE KEEP=1: see lib.sh
#	SUITE=bookworm MIRROR=URL	which Debian (default: the one this machine runs)
#	BUILT=FOLDER PRISTINE=FOLDER	uses built packages, and a copy of an existing minimal root
#	DEBS=FOLDER			copies the built packages to FOLDER
# shellcheck source=tests/package/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tools/setup.sh
. "$top/tools/setup.sh"
# shellcheck source=tests/systems/root.sh
. "$top/tests/systems/root.sh"

[ "$(id -u)" = 0 ] || skip_all "needs root for a Debian of its own"
command -v dpkg-query >/dev/null || skip_all "no Debian system"
# shellcheck disable=SC2086 # a list of words
[ -n "$BUILT" ] || need_packages $build_packages build-essential dpkg-dev debhelper lintian debootstrap xz-utils \
	util-linux >&2 ||
	skip_all "the tools cannot be installed"

suite=${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
mirror=${MIRROR:-$(debian_mirror)}
root=$work/root
drop=/usr/lib/pcsc/drivers

build() {
	DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-nocheck} parallel=$(jobs_here)" \
		"$top/contrib/debian/build-packages" "$work/$package.tar.xz" "$work"
}

# The package that is installed together with libccid.
build_beside() {
	DEB_BUILD_OPTIONS="nocheck parallel=$(jobs_here)" \
		"$top/contrib/debian/build-packages" --beside "$work/$package.tar.xz" "$work/beside"
}

both_are_there() {
	inside dpkg-query -W -f '${Package} ${db:Status-Status}\n' libccid ifd-ccid-beside | grep -c ' installed$' | grep -qx 2
}

# A build from source in that Debian, with only the packages that README names for a package of "make dist".
build_from_source() {
	unpack "$root/root" && inside apt-get install -y --no-install-recommends gcc libc6-dev make pkg-config \
		libusb-1.0-0-dev libpcsclite-dev zlib1g-dev &&
		inside sh -c "cd /root/$package && ./configure && make -s -j$(jobs_here)"
}

install_from_source() {
	inside make -s -C "/root/$package" install "$@"
}

stops_and_says() {
	! install_from_source >"$work/stopped" 2>&1 && grep -q "belongs to the package libccid" "$work/stopped" &&
		grep -q "contrib/quick-start" "$work/stopped"
}

# The commands of from-libccid.md, unchanged but for sudo.
way_back() {
	local line

	line=$(sed -n 's/^| from source, on Debian |.*| `\(.*\)` |$/\1/p' "$top/doc/from-libccid.md" | sed 's/sudo //g')
	[ -n "$line" ] && inside sh -c "cd /root/$package && ${line/apt install/apt install -y}"
}

readers_are_there() {
	inside test -s $drop/ifd-ccid-local.bundle/Contents/Info.plist &&
		inside grep -q f1f1 /etc/udev/rules.d/92_pcscd_ccid_local.rules
}

library_is_whole() {
	inside sh -c "cd / && dpkg --verify libccid" >"$work/verify"
	[ ! -s "$work/verify" ]
}

look() {
	lintian --fail-on error,warning --suppress-tags bad-distribution-in-changes-file \
		--allow-root "$work"/ifd-ccid_*.changes
}

fresh_debian() {
	local packages="pcscd libccid pcsc-tools udev"

	if [ -n "$PRISTINE" ]; then
		cp -a "$PRISTINE" "$root" || return
	else
		debian_root "$suite" "$root" "$mirror" || return
	fi
	apt-config dump | grep -E '^Acquire::(Check-|http|https|Retries)' >"$root/etc/apt/apt.conf.d/90machine"
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d" &&
		inside sh -c "apt-get update && apt-get install -y --no-install-recommends $packages" &&
		mkdir "$root/packages" && cp "$work"/ifd-ccid_*.deb "$work"/ccid-sim_*.deb "$root/packages/" &&
		cp "$top/tests/package/in_debian.sh" "$top/contrib/debian/tests/simulated" "$root/packages/"
}

# inside COMMAND...: runs in the fresh Debian.
inside() {
	in_root "$root" "$@"
}

# owner PACKAGE: does the driver's library belong to that package, and is the other package removed?
owner() {
	inside dpkg-query -S $drop/ifd-ccid.bundle/Contents/Linux/libccid.so | grep -qx "$1: .*" &&
		inside dpkg-query -W -f '${Package} ${db:Status-Status}\n' libccid ifd-ccid |
		grep -c ' installed$' | grep -qx 1
}

replaces_libccid() {
	inside sh -c 'apt-get install -y --no-install-recommends /packages/*.deb'
}

apt_is_content() {
	inside apt-get check && inside apt-get -s -f install | grep -q '^0 upgraded, 0 newly installed, 0 to remove' &&
		[ -z "$(inside dpkg --audit)" ]
}

# try WHO: runs pcscd there, on a simulated reader.
try() {
	inside /bin/bash /packages/in_debian.sh "$1" >"$work/tap" 2>&1
	grep -q '^1\.\.' "$work/tap" || echo "not ok - the script inside has finished" >>"$work/tap"
	grep -v '^1\.\.' "$work/tap" >"$work/tap.cases"
	take_in "$work/tap.cases"
}

nothing_left() {
	[ ! -e "$root/etc/ifd-ccid" ] && [ ! -e "$root/etc/reader.conf.d/ifd-ccid" ] &&
		[ ! -e "$root/usr/lib/udev/rules.d/92_pcscd_ccid.rules" ] &&
		[ ! -e "$root/usr/lib/pcsc/drivers/ifd-ccid-local.bundle" ] &&
		[ ! -e "$root/etc/udev/rules.d/92_pcscd_ccid_local.rules" ] &&
		[ ! -e "$root/usr/share/doc/ifd-ccid" ] && [ ! -e "$root/usr/sbin/ccid-add-reader" ]
}

if [ -n "$BUILT" ]; then
	need "the built packages are found" eval 'cp "$BUILT"/ifd-ccid_*.deb "$BUILT"/ccid-sim_*.deb "$work/"'
else
	need "make dist" make_package
	SHOWN=60 need "dpkg-buildpackage" build
	check "lintian finds nothing" look
fi
[ -z "$DEBS" ] || cp "$work"/*.deb "$DEBS/"
need "a fresh Debian ($suite)" fresh_debian
need "the fresh Debian has libccid" owner libccid
need "ifd-ccid is installed in its place" replaces_libccid
check "the driver is that of ifd-ccid" owner ifd-ccid
check "the group of the udev rules exists" inside getent group pcscd
check "apt finds no problem" apt_is_content
# The simulator stays there, for libccid's turn.
try ifd-ccid
check "the test for autopkgtest" inside /packages/simulated
check "a reader is added" inside ccid-add-reader f1f1:0001 "One"
check "libccid is installed again" inside apt-get install -y --no-install-recommends libccid
check "the driver is that of libccid" owner libccid
check "the added reader does not appear with libccid" test ! -e "$root$drop/ifd-ccid-local.bundle/Contents/Info.plist"
check "pcscd starts with libccid while ifd-ccid is removed only" inside /packages/simulated
check "ifd-ccid is purged" inside apt-get purge -y ifd-ccid
check "no file of ifd-ccid is left" nothing_left
check "apt finds no problem again" apt_is_content
try libccid
# The rest needs the source package, which is missing with BUILT.
[ -z "$BUILT" ] || plan
need "the package for use beside libccid" build_beside
# ifd-ccid is in the state that a purge follows: removed, with its configuration.
need "ifd-ccid is installed again" replaces_libccid
need "ifd-ccid is removed" inside apt-get install -y --no-install-recommends libccid
cp "$work"/beside/ifd-ccid-beside_*.deb "$root/packages/"
need "it is installed beside libccid" inside sh -c 'apt-get install -y --no-install-recommends /packages/ifd-ccid-beside_*.deb'
check "both packages are installed" both_are_there
check "pcscd uses the driver of ifd-ccid-beside" inside env BUNDLE=ifd-ccid-beside /packages/simulated
check "a reader is added to ifd-ccid-beside" inside ccid-add-reader f1f1:0001 "One"
check "the removed ifd-ccid is purged" inside apt-get purge -y ifd-ccid
check "the reader of ifd-ccid-beside is still there" readers_are_there
check "ifd-ccid-beside is purged" inside apt-get purge -y ifd-ccid-beside
check "no added reader is left" eval '! readers_are_there'
check "libccid's files are unchanged" library_is_whole
need "built from source, without flex" build_from_source
check "make install stops before libccid's files, and says what to do" stops_and_says
check "make install has changed no file of libccid" library_is_whole
check "make install overwrites libccid's files on request" install_from_source OVERWRITE_PACKAGE=yes
check "the way back of from-libccid.md" way_back
check "libccid's files are as before" library_is_whole
check "no file of ifd-ccid is left" eval '[ ! -e "$root/usr/local/sbin/ccid-add-reader" ] &&
	[ ! -e "$root$drop/ifd-ccid.bundle/Contents/Linux/libccid-local.so" ]'
plan
