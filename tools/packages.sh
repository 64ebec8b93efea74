# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Read by tests: Debian packages that are used without being installed.

# unpack_packages FOLDER APT-GET-ARGUMENT...: unpacks what "apt-get download" gets into FOLDER, which is emptied first.
# What apt-get says is in FOLDER.log.
unpack_packages()
{
	unpacked=$1
	shift
	rm -rf "$unpacked"
	mkdir -p "$unpacked/debs" || return 1
	(cd "$unpacked/debs" && apt-get -q "$@") > "$unpacked.log" 2>&1 || return 1
	for deb in "$unpacked"/debs/*.deb; do
		dpkg-deb -x "$deb" "$unpacked" || return 1
	done
	rm -rf "$unpacked/debs"
}
