#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds the UEFI driver with gnu-efi, and the EFI application that tests it; needs no configure.
#	contrib/uefi/build.sh FOLDER
# FOLDER gets ccid.efi (the driver) and scr_test.efi (the application of tests/uefi).
# CC, CFLAGS	the compiler (cc, for x86-64) and more options (-O2); CPPFLAGS=-DUEFI_LOG_PRIORITY=PORT_INFO: more log
# GNUEFI_INCLUDE, GNUEFI_LIB	where gnu-efi is, when it is not in Debian's place
top=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
out=${1:?usage: contrib/uefi/build.sh FOLDER}
include=${GNUEFI_INCLUDE:-/usr/include/efi}
lib=${GNUEFI_LIB:-}
for folder in /usr/lib/x86_64-linux-gnu /usr/lib; do
	[ -n "$lib" ] || [ ! -f "$folder/crt0-efi-x86_64.o" ] || lib=$folder
done
CC=${CC:-cc}
# No red zone: the firmware's interrupts run on the same stack.
CFLAGS="${CFLAGS:--O2} -std=c11 -ffreestanding -fshort-wchar -fPIC -fno-stack-protector -mno-red-zone
	-fvisibility=hidden -Wall -Wextra"
export CC CFLAGS

fail()
{
	echo "build.sh: $*" >&2
	exit 1
}

# compile FOLDER NAME...: of the source's folder.
compile()
{
	from=$1
	shift
	for name in "$@"; do
		# shellcheck disable=SC2086 # lists of words
		$CC $CFLAGS ${CPPFLAGS:-} -DGNU_EFI_USE_MS_ABI -I"$include" -I"$include/x86_64" -I"$top" -I"$top/src" \
			-c "$top/$from/$name.c" -o "$out/$name.o" || fail "cannot compile $from/$name.c"
	done
}

# Newer gnu-efi starts with _entry of a library of its own, older with efi_main: here both are the same.
# link NAME TARGET FILE...: NAME.efi; TARGET is objcopy's: an application or a driver.
link()
{
	name=$1
	target=$2
	shift 2
	ld -nostdlib -znocombreloc -shared -Bsymbolic --no-undefined --defsym=_entry=efi_main -T "$lib/elf_x86_64_efi.lds" \
		"$lib/crt0-efi-x86_64.o" "$@" "$lib/libgnuefi.a" -o "$out/$name.so" || fail "cannot link $name"
	objcopy -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j .rodata -j '.rel*' -j .reloc \
		--target="$target" "$out/$name.so" "$out/$name.efi" || fail "cannot make $name.efi"
}

mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
"$top/tools/build-core" -o "$out/core" || fail "cannot build the core"
compile contrib/uefi driver mem port reader smart_card status usb
compile src/util port_single
link ccid efi-bsdrv-x86_64 "$out/driver.o" "$out/mem.o" "$out/port.o" "$out/port_single.o" "$out/reader.o" "$out/smart_card.o" \
	"$out/status.o" "$out/usb.o" "$out/core/libifdccid-core.a"
compile tests/uefi scr_print scr_test
link scr_test efi-app-x86_64 "$out/scr_print.o" "$out/scr_test.o" "$out/mem.o"
