#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs as root in a minimal Debian (systems.sh): README's two commands as a person types them, the packages' build,
# and pcsc-lite built from Debian's source. Only packages that a person would be asked for are installed.
#	inside.sh USER PART...		USER: root, or the name of an ordinary user who may use sudo
# Parts: demo, tests, packages, pcsclite. Each writes its cases to /result/PART.tsv (rows of tools/results.sh), and
# /result/PART.log.
user=$1
shift
home=/root
[ "$user" = root ] || home=/home/$user
source=$home/ifd-ccid

# install PACKAGE...
install() {
	apt-get install -q -y --no-install-recommends "$@"
}

prepare() {
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d &&
		apt-get update -q && apt-get dist-upgrade -q -y && install locales sudo ca-certificates || return
	sed -i 's/^# *\(en_US.UTF-8\)/\1/' /etc/locale.gen && locale-gen && update-locale LANG=en_US.UTF-8 || return
	if [ "$user" != root ]; then
		useradd -m -s /bin/bash "$user" && echo "$user ALL=(ALL) NOPASSWD: ALL" >"/etc/sudoers.d/$user" || return
	fi
	mkdir -p "$source" && tar xf /source.tar -C "$source" && chown -R "$user": "$source"
}

# as_user COMMAND: runs in the source folder, as after a login.
as_user() {
	env -u LC_ALL -u DEBIAN_FRONTEND su -l "$user" -c "export LANG=en_US.UTF-8 RUN_TESTS_AGAIN=${RUN_TESTS_AGAIN:-}; cd ifd-ccid && $1"
}

# said PART PASS|FAIL|SKIP CASE
said() {
	printf 'here\t%s\t%s\t%s\t%s\t/result/%s.log\n' "$1" "$2" "$3" "$SECONDS" "$1" >>"/result/$1.tsv"
}

demo() {
	if as_user ./demo && ! grep -qi 'access denied' /result/demo.log; then
		said demo PASS ./demo
	else
		said demo FAIL ./demo
	fi
}

tests() {
	as_user ./run-tests
	cp "$source/build/results.tsv" /result/tests.tsv
	cp -r "$source/build/failed" /result/ 2>/dev/null
	tail -n 1 /result/tests.log | grep -q '^[1-9][0-9]* passed, [0-9]* failed, [0-9]* skipped$' ||
		said tests FAIL "./run-tests ends with its totals"
}

packages() {
	as_user 'mkdir -p build/packages && (cd build/gcc && make -s dist && mv ifd-ccid-*.tar.xz ../packages/)' &&
		install dpkg-dev debhelper build-essential xz-utils &&
		as_user 'cd build/packages && DEB_BUILD_OPTIONS=nocheck \
			../../contrib/debian/build-packages ifd-ccid-*.tar.xz .' &&
		mkdir -p /result/debs && cp "$source"/build/packages/*.deb /result/debs/ &&
		said packages PASS "the packages are built" || said packages FAIL "the packages are built"
}

# pcscd and its library from Debian's source, without polkit, in a separate folder.
build_pcsclite() {
	cd /var/tmp && sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >/etc/apt/sources.list.d/source.list &&
		apt-get update -q && install build-essential dpkg-dev pkg-config flex libudev-dev meson perl || return
	apt-get source -q --download-only pcsc-lite || return 2
	apt-get source -q pcsc-lite && cd pcsc-lite-*/ || return
	if [ -f meson.build ]; then
		meson setup built --prefix=/opt/pcsclite --libdir=lib -Dlibsystemd=false -Dpolkit=false \
			-Dusbdropdir="$(pkg-config libpcsclite --variable=usbdropdir)" -Dipcdir=/run/pcscd &&
			meson install -C built
	else
		./configure --prefix=/opt/pcsclite --disable-libsystemd --disable-polkit --enable-ipcdir=/run/pcscd \
			--enable-usbdropdir="$(pkg-config libpcsclite --variable=usbdropdir)" && make -s install
	fi
}

# build_with_keys BACKEND: a pcscd with the class keys of contrib/upstream, in the source that build_pcsclite has unpacked.
build_with_keys() {
	local other=libudev

	[ "$1" = libusb ] || other=libusb
	meson setup "keys-$1" --prefix="/opt/keys-$1" --libdir=lib -Dlibsystemd=false -Dpolkit=false -D$other=false "-D$1=true" \
		-Dwerror=true -Dusbdropdir="$(pkg-config libpcsclite --variable=usbdropdir)" -Dipcdir=/run/pcscd &&
		meson install -C "keys-$1"
}

# under PREFIX TEST...: tests with the pcscd there.
under() {
	local prefix=$1
	shift

	"$prefix/sbin/pcscd" --version
	as_user "cd build/gcc && find . -name '*.trs' -delete; PATH=$prefix/sbin:\$PATH \
		LD_LIBRARY_PATH=$prefix/lib make -s check-TESTS check_PROGRAMS= TESTS='$*'"
	(cd "$source" && . tools/results.sh && results=/result/pcsclite.tsv && collect here build/gcc)
}

# The patch for pcsc-lite, with each of its two ways to look for USB devices.
class_keys() {
	local each patch=$source/contrib/upstream/pcsc-lite-class-keys.patch

	cd /var/tmp/pcsc-lite-*/ || return
	if [ ! -f meson.build ] || ! patch -s -p1 --dry-run -i "$patch"; then
		said pcsclite SKIP "the class keys: the patch is made for another version of pcsc-lite"
		return
	fi
	patch -s -p1 -i "$patch"
	for each in libudev libusb; do
		if (build_with_keys "$each"); then
			under "/opt/keys-$each" tests/e2e/test_class_keys.sh
		else
			said pcsclite FAIL "the class keys: pcsc-lite with $each is built without a warning"
		fi
	done
}

pcsclite() {
	(build_pcsclite)
	case $? in
	0) ;;
	2)
		said pcsclite SKIP "no source of pcsc-lite from this mirror"
		return
		;;
	*)
		said pcsclite FAIL "pcsc-lite is built from its source"
		return
		;;
	esac
	under /opt/pcsclite tests/e2e/test_slots.sh tests/e2e/test_apdu.sh tests/e2e/test_hotplug.sh
	[ -s /result/pcsclite.tsv ] || said pcsclite FAIL "tests under the pcscd that was built"
	(class_keys)
}

versions() {
	echo "gcc $(gcc -dumpfullversion)"
	dpkg-query -W -f '${Package} ${Version}\n' pcscd libusb-1.0-0 libcmocka-dev udev |
		sed -E 's/ [0-9]+:/ /; s/[-+~][^ ]*$//; s/libusb-1.0-0/libusb/; s/libcmocka-dev/cmocka/'
}

mkdir -p /result
if ! prepare >/result/prepare.log 2>&1; then
	for part in "$@"; do
		said "$part" SKIP "the system cannot be prepared: $(tail -n 1 /result/prepare.log)"
	done
	exit
fi
for part in "$@"; do
	"$part" >"/result/$part.log" 2>&1
	echo "$part $SECONDS" >>/result/times
done
versions >/result/versions 2>/dev/null
