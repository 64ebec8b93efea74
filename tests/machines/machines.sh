# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # $folder, run() and record() are of ./run-tests, which installs the packages
# Sourced by ./run-tests: the driver on other machines. README.md in this folder says why.
. tools/packages.sh

# Not gcc-multilib: in Debian this package conflicts with the cross compilers.
machine_packages="gcc-i686-linux-gnu libc6-dev-i386-cross gcc-s390x-linux-gnu libc6-dev-s390x-cross
	qemu-user musl-tools"
machine_libraries=(libusb-1.0-0-dev libusb-1.0-0 libudev1 libpcsclite-dev libpcsclite1 zlib1g-dev zlib1g
	libcmocka-dev libcmocka0)

# fetch_libraries FOLDER ARCHITECTURE...: unpacked into FOLDER/ARCHITECTURE by an apt that knows these
# architectures, from the sources of this machine, whose own apt is not changed. Kept from run to run.
fetch_libraries() {
	local top=$1 apt=$1/apt arch link options
	shift

	[ ! -f "$top/complete" ] || return 0
	say "machines: fetching libraries for $*"
	rm -rf "$apt"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" || return 1
	: >"$apt/status"
	options=(-o "APT::Architecture=$1" -o "Dir::State=$apt" -o "Dir::State::status=$apt/status"
		-o "Dir::Cache=$apt/cache")
	options+=("${@/#/-oAPT::Architectures::=}")
	[ "$(id -u)" != 0 ] || options+=(-o APT::Sandbox::User=root)
	# A source without these architectures does no harm when another has the packages.
	apt-get -q "${options[@]}" update >&2 || :
	for arch in "$@"; do
		if ! unpack_packages "$top/$arch" "${options[@]}" download "${machine_libraries[@]/%/:$arch}"; then
			tail -n 5 "$top/$arch.log" >&2
			return 1
		fi
		# Absolute links start at the root of the package.
		find "$top/$arch" -lname '/*' | while IFS= read -r link; do
			ln -sf "$top/$arch$(readlink "$link")" "$link"
		done
	done
	rm -rf "$apt"
	touch "$top/complete"
}

# foreign_machine ARCHITECTURE COMPILER: programs contain the paths of their loader and libraries, so
# LAUNCHER is an emulator's name at most. pcscd's folders are this machine's: the simulator covers them.
foreign_machine() {
	local root loader

	root=$(cd "$folder/machines" && pwd)/$1
	loader=$(cd "/usr/$2/lib" && ls -d "$PWD"/ld*.so.[12])
	parts=libccid.la PKG_CONFIG_LIBDIR=$root/usr/lib/$1-linux-gnu/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root \
		run "$1" check-machine --host="$2" --enable-strict --enable-twinserial CFLAGS=-O1 \
		--enable-usbdropdir=/usr/lib/pcsc/drivers --enable-serialconfdir=/etc/reader.conf.d \
		CPPFLAGS="-I$root/usr/include" \
		LDFLAGS="-L$root/usr/lib/$1-linux-gnu -L$root/lib/$1-linux-gnu -Wl,--dynamic-linker=$loader \
-Wl,--disable-new-dtags,-rpath,$root/usr/lib/$1-linux-gnu:$root/lib/$1-linux-gnu:/usr/$2/lib"
}

# There are no libraries for this machine: with the stand-in for libusb the driver needs only headers.
musl() {
	parts="libccid-core.la libccid-host.la" run musl check-musl CC=musl-gcc --enable-strict --enable-twinserial --disable-udev \
		CFLAGS='-O2 -fcallgraph-info=su' LDFLAGS=--static \
		PCSC_LIBS=' ' PCSCLIB_LIBS=' ' LIBUSB_LIBS=' ' CMOCKA_LIBS=' ' ZLIB_LIBS=' ' \
		ac_cv_func_libusb_wrap_sys_device=yes ac_cv_func_libusb_set_option=yes \
		ac_cv_func_libusb_init_context=yes
}

# MACHINES_FULL=1: the emulated machine runs the tests that take minutes there, too.
machines() {
	local left_out=

	mkdir -p "$folder/machines"
	if fetch_libraries "$(cd "$folder/machines" && pwd)" i386 s390x; then
		foreign_machine i386 i686-linux-gnu
		[ -n "${MACHINES_FULL:-}" ] ||
			left_out="tests/unit/driver/test_memory tests/unit/driver/test_secrets"
		LEAVE_OUT=$left_out LAUNCHER=qemu-s390x foreign_machine s390x s390x-linux-gnu
	else
		record machines apt-get FAIL "libraries for i386 and s390x" 0 "$folder/machines"
		sum_up machines
	fi
	musl
}
