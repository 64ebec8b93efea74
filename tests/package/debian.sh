#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The Debian packages: built from the package of "make dist", looked at by lintian, installed in a fresh Debian
# in place of libccid, used by pcscd on simulated readers, and removed again. Needs root and the network. TAP.
#	tests/package/debian.sh		TARBALL=FILE KEEP=1: see lib.sh
#	SUITE=bookworm MIRROR=URL	which Debian (default: the one this machine runs)
#	DEBS=FOLDER			copies what was built there
# shellcheck source=tests/package/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tools/setup.sh
. "$top/tools/setup.sh"

[ "$(id -u)" = 0 ] || skip_all "needs root for a Debian of its own"
command -v dpkg-query >/dev/null || skip_all "no Debian system"
# shellcheck disable=SC2086 # a list of words
need_packages $build_packages dpkg-dev debhelper lintian debootstrap xz-utils util-linux >&2 ||
	skip_all "the tools cannot be installed"

suite=${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
mirror=${MIRROR:-http://deb.debian.org/debian}
root=$work/root
drop=/usr/lib/pcsc/drivers

build() {
	DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-nocheck} parallel=$(jobs_here)" \
		"$top/contrib/debian/build-packages" "$work/$package.tar.xz" "$work"
}

look() {
	lintian --fail-on error,warning --suppress-tags bad-distribution-in-changes-file \
		--allow-root "$work"/ifd-ccid_*.changes
}

fresh_debian() {
	debootstrap --variant=minbase --include=pcscd,libccid,pcsc-tools,udev "$suite" "$root" "$mirror" &&
		printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d" &&
		mkdir "$root/packages" && cp "$work"/ifd-ccid_*.deb "$work"/ccid-sim_*.deb "$root/packages/" &&
		cp "$top/tests/package/in_debian.sh" "$root/packages/"
}

# inside COMMAND...: in the fresh Debian, with its own mounts and processes, which end with the command. Its folder
# becomes the root of the mounts, as the simulator wants to have one.
inside() {
	unshare --mount --pid --fork sh -c '
		root=$1; shift
		mount --make-rprivate / && mount --rbind "$root" "$root" && cd "$root" &&
			mount -t proc proc proc && mount --rbind /sys sys && mount --rbind /dev dev &&
			pivot_root . . && umount -l . && cd / &&
			exec env -i HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"' sh "$root" "$@"
}

# owner PACKAGE: is the driver's library that package's, and the other one gone?
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

# try WHO: pcscd there, on a simulated reader.
try() {
	inside /bin/bash /packages/in_debian.sh "$1" >"$work/tap" 2>&1
	grep -q '^1\.\.' "$work/tap" || echo "not ok - the script inside came to its end" >>"$work/tap"
	grep -v '^1\.\.' "$work/tap" >"$work/tap.cases"
	take_in "$work/tap.cases"
}

nothing_left() {
	[ ! -e "$root/etc/ifd-ccid" ] && [ ! -e "$root/etc/reader.conf.d/ifd-ccid" ] &&
		[ ! -e "$root/usr/lib/udev/rules.d/92_pcscd_ccid.rules" ] &&
		[ ! -e "$root/usr/share/doc/ifd-ccid" ] && [ ! -e "$root/usr/sbin/ccid-add-reader" ]
}

need "make dist" make_package
SHOWN=60 need "dpkg-buildpackage" build
check "lintian finds nothing" look
[ -z "$DEBS" ] || cp "$work"/*.deb "$DEBS/"
need "a fresh Debian ($suite)" fresh_debian
need "it comes with libccid" owner libccid
need "ifd-ccid is installed in its place" replaces_libccid
check "the driver is ours" owner ifd-ccid
check "the group that the udev rules name is there" inside getent group pcscd
check "apt is content" apt_is_content
# The simulator stays there, for libccid's turn.
try ifd-ccid
check "libccid is installed again" inside apt-get install -y --no-install-recommends libccid
check "the driver is libccid's" owner libccid
check "ifd-ccid is purged" inside apt-get purge -y ifd-ccid
check "nothing of it is left" nothing_left
check "apt is content again" apt_is_content
try libccid
plan
