#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The RPM packages: built from the package of "make dist" by contrib/ifd-ccid.spec, looked at by rpmlint, installed
# into a folder and removed again. Debian's rpm works, too; there the build needs are Debian packages. TAP.
#	tests/package/rpm.sh		TARBALL=FILE KEEP=1: see lib.sh
#	RPMS=FOLDER			copies the built packages to FOLDER
# shellcheck source=tests/package/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tools/setup.sh
. "$top/tools/setup.sh"

if command -v dpkg-query >/dev/null; then
	# shellcheck disable=SC2086 # a list of words
	need_packages $build_packages rpm rpmlint xz-utils >&2 || skip_all "the tools cannot be installed"
	debian=--nodeps
fi
command -v rpmbuild >/dev/null || skip_all "rpmbuild is not installed"
root=$work/root

build() {
	mkdir -p "$work/rpm/SOURCES" && cp "$work/$package.tar.xz" "$work/rpm/SOURCES/" &&
		unpack "$work" &&
		rpmbuild -ba ${debian:-} ${WITH_TESTS:---without tests} --define "_topdir $work/rpm" \
			"$work/$package/contrib/ifd-ccid.spec" &&
		mv "$work"/rpm/RPMS/*/*.rpm "$work"/rpm/SRPMS/*.rpm "$work/"
}

# contrib/rpmlint.toml lists rpmlint's accepted findings and the reasons.
look() {
	rpmlint -c "$top/contrib/rpmlint.toml" "$work/$package/contrib/ifd-ccid.spec" "$work"/*.rpm >"$work/lint"
	cat "$work/lint"
	grep -q ' 0 errors, 0 warnings' "$work/lint"
}

# rpm with a separate database, which lacks the packages' dependencies; scripts do not run there.
rpm_there() {
	rpm --root "$root" "$@"
}

binary_packages() {
	find "$work" -maxdepth 1 -name '*.rpm' ! -name '*.src.rpm' ! -name '*-debug*'
}

install_all() {
	mkdir -p "$root"
	binary_packages | xargs rpm --root "$root" -i --nodeps --noscripts
}

# The group of the udev rules.
makes_group() {
	rpm_there -q --scripts ifd-ccid | grep -q 'groupadd -r pcscd'
}

whole() {
	local contents

	contents=$(dirname "$(find "$root" -path '*/ifd-ccid.bundle/Contents/Info.plist')") &&
		sh "$top/tests/check/check_installed.sh" "$contents" Linux && rpm_there -V --nodeps ifd-ccid
}

provides() {
	rpm_there -q --provides ifd-ccid | grep -q "^pcsc-ifd-handler = " &&
		rpm_there -q --conflicts ifd-ccid | grep -qx pcsc-lite-ccid
}

removes_all() {
	rpm_there -e --noscripts ifd-ccid ccid-sim && ! find "$root" ! -type d ! -path '*/var/lib/rpm/*' \
		! -path "$root$HOME/.rpmdb/*" ! -path '*/usr/lib/sysimage/rpm/*' | grep .
}

need "make dist" make_package
need "rpmbuild" build
check "rpmlint finds nothing" look
[ -z "$RPMS" ] || cp "$work"/*.rpm "$RPMS/"
need "the packages are installed" install_all
check "the packages provide a driver and conflict with pcsc-lite-ccid" provides
check "the packages make the group of the udev rules" makes_group
check "the installed files are complete" whole
check "removal leaves no file" removes_all
plan
