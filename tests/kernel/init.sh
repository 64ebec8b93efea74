#!/bin/busybox sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The first program of the virtual machine: mounts the host's root, or another one ("root" of the configuration),
# read-only, under a layer that receives all writes.

bb=/bin/busybox
stop()
{
	echo "init: $*" > /dev/console
	$bb sync
	$bb poweroff -f
}

$bb mount -t proc proc /proc
$bb mount -t devtmpfs dev /dev
for module in /modules/*; do
	$bb insmod "$module" || stop "cannot load $module"
done
$bb mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=524288,cache=loose host /lower || stop "no host"
$bb mount -t tmpfs rw /rw
$bb mkdir /rw/upper /rw/work
for conf in $($bb cat /proc/cmdline); do
	case $conf in conf=*) conf=${conf#conf=} && break ;; esac
done
. "/lower$conf"
$bb mount -t overlay -o "lowerdir=/lower$root,upperdir=/rw/upper,workdir=/rw/work" root /root || stop "no overlay"
$bb mount --move /dev /root/dev
$bb umount /proc
if [ -n "$root" ]; then
	for folder in "$top" "$build"; do
		$bb mkdir -p "/root$folder"
		$bb mount -o bind "/lower$folder" "/root$folder" || stop "no $folder"
	done
	exec $bb switch_root /root /lib/systemd/systemd < /dev/console > /dev/console 2>&1
fi
exec $bb switch_root /root /bin/sh "$top/tests/kernel/guest.sh" "$conf" < /dev/console > /dev/console 2>&1
