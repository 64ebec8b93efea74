#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Two builds of the same package, in folders of different names and depths, at different times, with different
# locale and umask, install the same bytes. TAP.
#	tests/package/reproducible.sh	TARBALL=FILE KEEP=1: see lib.sh
# Debugging information names the folder of the build unless the compiler is told, as distributions do.
# shellcheck source=tests/package/lib.sh
. "$(dirname "$0")/lib.sh"

# build SOURCE-FOLDER BUILD-FOLDER DESTDIR
build() {
	local source=$1/$package

	unpack "$1" && mkdir -p "$2" && cd "$2" &&
		CFLAGS="-g -O2 -ffile-prefix-map=$source=. -ffile-prefix-map=$2=." \
			"$source/configure" --enable-twinserial --prefix=/usr --sysconfdir=/etc \
			--with-udevdir=/usr/lib/udev &&
		make -s -j"$(jobs_here)" && make -s install DESTDIR="$3"
}

first() {
	(umask 022 && export LC_ALL=C TZ=UTC && build "$work/a" "$work/build-a" "$work/inst-a")
}

second() {
	(umask 002 && export LC_ALL=C.UTF-8 TZ=Asia/Tokyo &&
		build "$work/somewhere/else/b" "$work/else/deep/build-b" "$work/inst-b")
}

same_files() {
	diff <(cd "$work/inst-a" && find . | sort) <(cd "$work/inst-b" && find . | sort)
}

same_bytes() {
	diff -rq --no-dereference "$work/inst-a" "$work/inst-b"
}

same_file() {
	local file

	file=$(cd "$work/inst-a" && find . -name "$1") && [ -n "$file" ] &&
		cmp "$work/inst-a/$file" "$work/inst-b/$file"
}

no_folder_inside() {
	! grep -rlF "$work" "$work/inst-a" "$work/inst-b"
}

# make dist twice, from the same tree.
same_package() {
	(
		cd "$work/build-a" && make -s dist && mv "$package.tar.xz" "$work/one.tar.xz"
		cd "$work/else/deep/build-b" && make -s dist && mv "$package.tar.xz" "$work/two.tar.xz"
	)
	diff <(tar tf "$work/one.tar.xz" | sort) <(tar tf "$work/two.tar.xz" | sort) &&
		mkdir "$work/one" "$work/two" && tar xf "$work/one.tar.xz" -C "$work/one" &&
		tar xf "$work/two.tar.xz" -C "$work/two" && diff -r "$work/one" "$work/two"
}

need "make dist" make_package
need "the first build" first
need "the second build" second
check "both builds install the same files" same_files
check "libccid.so is the same" same_file libccid.so
check "Info.plist is the same" same_file Info.plist
check "all other files are the same" same_bytes
check "no file contains the name of the build folder" no_folder_inside
check "make dist writes the same package in both builds" same_package
plan
