#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Boots Debian's kernel in a virtual machine and runs guest.sh in it: the driver under a real kernel, simulated
# readers over USB/IP, and QEMU's own reader. The machine's root is this machine's, read-only.
#	tests/kernel/run.sh [TEST...]	(functions of guest.sh without "test_", and parts of unit.sh; default: all)
# CHECK_KERNEL_TIMEOUT	seconds that a machine may run (default 1500)
# KERNEL_PRISTINE=FOLDER	an existing minimal root of Debian sid, to be copied for "unit"
# Missing packages are installed by root, and named otherwise. No test is ever skipped but the parts of unit.sh, which
# need a Debian sid.

here=$(cd "$(dirname "$0")" && pwd)
top=${abs_top_srcdir:-$(cd "$here/../.." && pwd)}
build=${abs_top_builddir:-$top}
work=$build/check-kernel
PATH=$PATH:/usr/sbin:/sbin
export PATH
# shellcheck source=tools/packages.sh
. "$top/tools/packages.sh"
# shellcheck source=tests/systems/root.sh
. "$top/tests/systems/root.sh"

fail()
{
	echo "check-kernel: $*" >&2
	exit 1
}

# Packages and their used programs. busybox-static's program has the same name as busybox's: the package is checked.
needs="qemu-system-x86:qemu-system-x86_64 usbip:usbip udev:udevadm kmod:depmod cpio:cpio usbutils:usbreset
	libnss3-tools:certutil pcscd:pcscd pcsc-tools:pcsc_scan opensc:opensc-tool python3:/usr/bin/python3 debootstrap:debootstrap
	binutils:ar xz-utils:xz gpg:gpg gpg-agent:gpg-agent gpgconf:gpg-connect-agent scdaemon:/usr/lib/gnupg/scdaemon"

# Packages of the machine whose process 1 is systemd.
unit_needs="systemd systemd-sysv libseccomp2 libbpf1 udev kmod pcscd libusb-1.0-0 usbip python3-pyscard procps"

missing_packages()
{
	missing=
	for need in $needs; do
		command -v "${need#*:}" > /dev/null || missing="$missing ${need%%:*}"
	done
	/usr/bin/python3 -c 'import smartcard' 2> /dev/null || missing="$missing python3-pyscard"
	[ "$(dpkg-query -W -f '${db:Status-Status}' busybox-static 2> /dev/null)" = installed ] ||
		missing="$missing busybox-static"
}

missing_packages
if [ -n "$missing" ] && [ "$(id -u)" -eq 0 ]; then
	echo "# installing$missing"
	# shellcheck disable=SC2086 # a list of words
	{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } > /dev/null
	missing_packages
fi
[ -z "$missing" ] || fail "needs these packages:$missing"
[ -x "$build/ccid-sim" ] || fail "$build/ccid-sim is not built"
[ -f "$build/ifd-ccid.bundle/Contents/Linux/libccid.so" ] || fail "$build/ifd-ccid.bundle is not built"

mkdir -p "$work" || fail "cannot make $work"
cd "$work" || exit 1

# The kernel of Debian's linux-image-amd64; kept from run to run.
fetch_kernel()
{
	image=$(apt-cache depends linux-image-amd64 2> /dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -n "$image" ] || fail "apt knows no linux-image-amd64 (apt-get update?)"
	release=${image#linux-image-}
	[ -f "kernel/$release.complete" ] && return
	echo "# fetching $image"
	unpack_packages "$work/kernel" download "$image" ||
		fail "cannot get $image: $(tail -n 1 "$work/kernel.log")"
	depmod -b "$work/kernel" "$release" || fail "depmod failed"
	touch "kernel/$release.complete"
}

# boot_modules NAME...: files of the modules and of their dependencies, in the order of loading.
boot_modules()
{
	for module in "$@"; do
		modprobe -d "$work/kernel" -S "$release" --show-depends "$module" | sed -n 's/^insmod //p'
	done | awk '{ print $1 }' | awk '!seen[$0]++'
}

make_initramfs()
{
	rm -rf initramfs
	mkdir -p initramfs/bin initramfs/modules initramfs/proc initramfs/sys initramfs/dev initramfs/lower \
		initramfs/rw initramfs/root
	cp "$(command -v busybox)" initramfs/bin/busybox
	boot_modules virtio_pci 9pnet_virtio 9p overlay > modules.list
	[ -s modules.list ] || fail "the kernel does not have the modules to boot with"
	n=100
	while read -r file; do
		cp "$file" "initramfs/modules/$n-${file##*/}" || fail "no $file"
		n=$((n + 1))
	done < modules.list
	cp "$here/init.sh" initramfs/init
	chmod +x initramfs/init
	(cd initramfs && find . | cpio -o -H newc --quiet) | gzip -1 > initramfs.gz
}

# Three certificates: QEMU's emulated card wants them.
make_card()
{
	[ -f card/complete ] && return
	rm -rf card
	mkdir card
	head -c 256 /dev/urandom > card/noise
	certutil -N -d sql:card --empty-password &&
		for n in 1 2 3; do
			certutil -S -d sql:card -s "CN=card $n" -n id$n -x -t CT,CT,CT -z card/noise -m $n || exit
		done > card/log 2>&1 || fail "certutil failed: $(tail -n 1 card/log)"
	touch card/complete
}

# A Debian with today's pcscd and systemd unit, in a root of its own. Otherwise $reason says why
# there is none.
make_unit_root()
{
	[ -f unit/complete ] && return
	[ "$(id -u)" -eq 0 ] || { reason="needs root for a Debian of its own"; return 1; }
	echo "# making a minimal Debian sid"
	rm -rf --one-file-system unit
	mkdir unit
	if [ -n "$KERNEL_PRISTINE" ]; then
		cp -a "$KERNEL_PRISTINE" unit/root
	else
		debian_root sid "$work/unit/root" "$(debian_mirror)"
	fi > unit/log 2>&1 || { reason="no minimal Debian sid: $(tail -n 1 unit/log)"; return 1; }
	apt-config dump | grep -E '^Acquire::(Check-|http|https|Retries)' > unit/root/etc/apt/apt.conf.d/90machine
	printf '#!/bin/sh\nexit 101\n' > unit/root/usr/sbin/policy-rc.d
	chmod +x unit/root/usr/sbin/policy-rc.d
	in_root "$work/unit/root" sh -c "apt-get update && apt-get install -y --no-install-recommends $unit_needs" \
		>> unit/log 2>&1 || { reason="Debian sid: cannot install $unit_needs: $(tail -n 1 unit/log)"; return 1; }
	touch unit/complete
}

# boot FOLDER: boots with FOLDER/guest.conf, and QEMU's reader, until the machine powers itself off, and shows its
# results at once. FOLDER/console.log is the kernel's log.
boot()
{
	at=$1
	rm -f "$at/console.log" "$at/results.log"
	begin=$(date +%s)
	echo "# booting $release (console: $at/console.log)"
	timeout -k 10 "${CHECK_KERNEL_TIMEOUT:-1500}" qemu-system-x86_64 -nodefaults -display none -no-reboot \
		-machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 \
		-kernel "kernel/boot/vmlinuz-$release" -initrd initramfs.gz \
		-append "console=ttyS0 loglevel=7 panic=-1 mitigations=off random.trust_cpu=on conf=$at/guest.conf $boot_words" \
		-serial file:"$at/console.log" -serial file:"$at/results.log" \
		-virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
		-device piix3-usb-uhci -device usb-ccid \
		-device "ccid-card-emulated,backend=certificates,db=sql:$work/card,cert1=id1,cert2=id2,cert3=id3" \
		> "$at/qemu.log" 2>&1 &
	qemu=$!
	trap 'kill $qemu 2> /dev/null' EXIT
	: >> "$at/results.log"
	tail -n +1 -s 0.5 --pid=$qemu -f "$at/results.log" | sed -u "s/\r$//"
	wait $qemu
	status=$?
	trap - EXIT
	seconds=$((seconds + $(date +%s) - begin))
	echo "# part machine"
	passed=$((passed + $(grep -c '^ok ' "$at/results.log")))
	failed=$((failed + $(grep -c '^not ok ' "$at/results.log")))
	if ! tr -d '\r' < "$at/results.log" | grep -qx 'KERNEL-DONE'; then
		tail -n 20 "$at/console.log" | sed 's/^/# /'
		sed 's/^/# qemu: /' "$at/qemu.log"
		echo "not ok - the machine finishes: it ran for $seconds s (status $status)"
		failed=$((failed + 1))
	fi
	if grep -aE 'BUG:|WARNING:|Oops|Kernel panic|blocked for more than|KASAN' "$at/console.log" | sed 's/^/# /' | grep .; then
		echo "not ok - the kernel logs no fault of its own"
		failed=$((failed + 1))
	fi
	# The kernel's complaints about descriptors or transfers of a device.
	if grep -aE 'usb [0-9]+-[0-9.]+: (config [0-9]|can.t|unable|.*(invalid|descriptor|not responding))' "$at/console.log" |
			sed 's/^/# /' | grep .; then
		echo "not ok - the kernel finds no fault in the devices"
		failed=$((failed + 1))
	fi
}

conf()
{
	printf 'top=%s\nbuild=%s\nmodules=%s\nrelease=%s\nroot=%s\ntests="%s"\n' "$top" "$build" \
		"$work/kernel/lib/modules/$release" "$release" "$1" "$2"
}

# The real units, in a second machine, whose process 1 is systemd.
boot_unit()
{
	if ! make_unit_root; then
		echo "ok - under systemd:$unit_parts # SKIP $reason"
		skipped=$((skipped + 1))
		return
	fi
	conf "$work/unit/root" "$unit_parts" > unit/guest.conf
	cat > unit/root/etc/systemd/system/ccid-test.service <<-END
	[Unit]
	Description=The tests under systemd
	Wants=sockets.target
	After=sockets.target
	[Service]
	Type=oneshot
	TimeoutStartSec=infinity
	ExecStart=/bin/sh $top/tests/kernel/unit.sh $work/unit/guest.conf
	END
	boot_words="systemd.unit=ccid-test.service systemd.mask=tmp.mount"
	boot "$work/unit"
}

passed=0 failed=0 skipped=0 seconds=0 boot_words= tests='' unit_parts=''
[ $# -gt 0 ] || unit_parts=" unit sharing recipe"
for each in "$@"; do
	case $each in
	unit | sharing | recipe) unit_parts="$unit_parts $each" ;;
	*) tests="$tests $each" ;;
	esac
done
fetch_kernel
make_initramfs
make_card
if [ $# -eq 0 ] || [ -n "$tests" ]; then
	conf "" "$tests" > guest.conf
	boot "$work"
fi
[ -z "$unit_parts" ] || boot_unit
echo "# kernel $release: $passed passed, $failed failed, $skipped skipped, $seconds s"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
