# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Sourced by the scripts that need a separate Debian: makes minimal roots, and runs commands in them.

# debian_mirror: the mirror of this machine's own apt.
debian_mirror() {
	local found

	found=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
		grep -v -e security -e '^cdrom:' | head -n 1)
	[ -n "$found" ] || found=$(sed -n -E 's/^(URIs: *|deb +(\[[^]]*\] +)?)(https?:[^ ]*).*/\3/p' \
		/etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep '/debian/*$' | head -n 1)
	echo "${found:-http://deb.debian.org/debian}"
}

# debian_root SUITE FOLDER MIRROR: a minimal Debian, whose services do not start.
debian_root() {
	local script=/usr/share/debootstrap/scripts/$1

	[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid	# a suite newer than debootstrap
	debootstrap --variant=minbase "$1" "$2" "$3" "$script"
}

# in_root FOLDER COMMAND...: the command runs in that root, with its own mounts, processes and /dev, which end with
# the command. The folder becomes the root of the mounts, which the simulator needs. Only the network is shared.
in_root() {
	unshare --mount --pid --ipc --fork --kill-child sh -c '
		root=$1; shift
		mount --make-rprivate / && mount --bind "$root" "$root" && cd "$root" &&
			mount -t proc proc proc && mount -t sysfs sysfs sys && mount -t tmpfs -o mode=0755 dev dev &&
			mount -t tmpfs -o mode=0755 run run || exit 99
		for each in null:3 zero:5 full:7 random:8 urandom:9; do
			mknod -m 666 "dev/${each%:*}" c 1 "${each#*:}" || exit 99
		done
		mknod -m 666 dev/tty c 5 0 && mkdir -m 1777 dev/shm run/lock && mkdir dev/pts &&
			mount -t tmpfs -o mode=1777 shm dev/shm &&
			mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts &&
			ln -s pts/ptmx dev/ptmx && ln -s /proc/self/fd dev/fd && ln -s fd/0 dev/stdin &&
			ln -s fd/1 dev/stdout && ln -s fd/2 dev/stderr && pivot_root . . && umount -l . && cd / &&
			exec env -i HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive RUN_TESTS_AGAIN="${RUN_TESTS_AGAIN:-}" \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"' sh "$@" </dev/null
}
