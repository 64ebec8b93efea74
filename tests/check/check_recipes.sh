#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The recipes for distributions, checked with the tools of this system; the description for AppStream. A case whose tool
# is missing is a skip that names the tool. TAP.
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}" "${top_builddir:=.}"
contrib=$top_srcdir/contrib
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/check/tap.sh
. "$top_srcdir/tests/check/tap.sh"

# with TOOL NAME COMMAND...: a case that needs that tool.
with() {
	local tool=$1
	shift
	if command -v "$tool" >/dev/null; then
		check "$@"
	else
		count=$((count + 1))
		echo "ok $count - $1 # SKIP $tool is not installed"
	fi
}

version=$(sed -n 's/^AC_INIT(\[ifd-ccid\], \[\([^]]*\)\].*/\1/p' "$top_srcdir/configure.ac")
recipes=$contrib/recipes
ebuild=$recipes/gentoo/ifd-ccid-$version.ebuild

# Every option that a recipe gives to configure is one of configure's.
options_are_known() {
	local option unknown=

	for option in $(grep -oE -- '--(enable|disable|with|without)-[a-z0-9-]+' "$1" | sed -E 's/^--[a-z]+-//' | sort -u) \
		$(grep -oE 'use_enable \w+ [a-z-]+' "$1" | awk '{ print $3 }'); do
		grep -qE "(IFD_SWITCH|AC_ARG_ENABLE|AC_ARG_WITH)\(\[$option\]" "$top_srcdir/configure.ac" ||
			unknown="$unknown $option"
	done
	[ -z "$unknown" ] || echo "unknown:$unknown"
	[ -z "$unknown" ]
}

openwrt_is_read() {
	: >"$work/rules.mk"
	cat >"$work/package.mk" <<-'END'
	define BuildPackage
	all: ; @echo $(PKG_NAME) $(PKG_VERSION) $(strip $(Package/$(1)/install))
	endef
	END
	env -u MAKEFLAGS -u MAKELEVEL make -s -f "$recipes/openwrt/Makefile" TOPDIR="$work" INCLUDE_DIR="$work" -n all
}

for file in "$recipes/alpine/APKBUILD" "$recipes/arch/PKGBUILD" "$ebuild"; do
	check "${file##*/}: syntax" bash -n "$file"
done
for file in "$recipes/alpine/APKBUILD" "$recipes/arch/PKGBUILD" "$recipes/nix/default.nix" \
	"$recipes/openwrt/Makefile" "$contrib/ifd-ccid.spec"; do
	check "${file##*/}: version $version" grep -qE "(pkgver=|version = \"|PKG_VERSION:=|Version: +)$version\b" "$file"
	check "${file##*/}: options of configure" options_are_known "$file"
done
check "ebuild: there is one for version $version" test -r "$ebuild"
check "ebuild: options of configure" options_are_known "$ebuild"
echo ./configure --enable-nonsense >"$work/bad"
check "rules: an unknown option is found" eval '! options_are_known "$work/bad"'
check "openwrt: make can read it" openwrt_is_read
with nix-instantiate "default.nix: syntax" nix-instantiate --parse "$recipes/nix/default.nix"
with rpmspec "ifd-ccid.spec: syntax" rpmspec -P --define '_udevrulesdir /usr/lib/udev/rules.d' "$contrib/ifd-ccid.spec"
with dpkg-parsechangelog "debian/changelog" dpkg-parsechangelog -l "$contrib/debian/changelog"
for file in "$contrib"/completion/*; do
	check "completion/${file##*/}: syntax" bash -n "$file"
done
check "debian/tests: syntax" bash -n "$contrib/debian/tests/simulated"
for file in preinst postinst prerm postrm; do
	for script in "$contrib/debian/"*.$file; do
		[ ! -e "$script" ] || check "debian/${script##*/}: syntax" sh -n "$script"
	done
done
metainfo=$top_builddir/contrib/invalid.ifd_ccid.ifd_ccid.metainfo.xml
ids_of_plist() {
	awk '/<key>ifdVendorID/ { on = 1 } /<\/array>/ { on = 0 } on && /<string>/ { n++ } END { print n + 0 }' \
		"$top_builddir/readers/Info.plist"
}
modaliases=$(grep -c '<modalias>usb:v[0-9A-F]\{4\}p[0-9A-F]\{4\}d\*</modalias>' "$metainfo")
[ ! -r "$top_builddir/readers/Info.plist" ] ||
	check "metainfo: a modalias for each reader of Info.plist" test "$modaliases" = "$(ids_of_plist)"
# Newer versions want a home page, which does not exist; older versions do not know the option that allows this.
with appstreamcli "metainfo: valid" eval 'appstreamcli validate --no-net --explain "$metainfo" ||
	appstreamcli validate --no-net --override=url-homepage-missing=info "$metainfo"'
plan
