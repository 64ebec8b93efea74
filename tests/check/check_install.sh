#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# make install and make uninstall in a folder: installed files, remaining files; reasons to stop an installation. TAP.
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}" "${top_builddir:=.}"
work=$(mktemp -d) || exit 99
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
root=$work/root
# shellcheck source=tests/check/tap.sh
. "$top_srcdir/tests/check/tap.sh"

run_make() {
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$top_builddir" "$@"
}

is_there() { [ -n "$(find "$root" -path "*$1" -print -quit)" ]; }

# Broken links in installed documents.
dead_links() {
	local folder=$1 file link dead=

	for file in "$folder"/*.md; do
		while IFS= read -r link; do
			case $link in
			'#'* | *:*) continue ;;
			esac
			[ -e "$folder/${link%%#*}" ] || dead="$dead ${file##*/}:$link"
		done < <(grep -oE '\]\([^()]+\)' "$file" | sed 's/^](//; s/)$//')
	done
	[ -z "$dead" ] || echo "dead:$dead"
	[ -z "$dead" ]
}

# --- tools/bundle-arch ---
for pair in linux-gnu=Linux linux-musl=Linux darwin22.1=MacOS dragonfly6.4=DragonFly freebsd14.0=FreeBSD \
	haiku=Haiku gnu=GNU gnu0.9=GNU kfreebsd-gnu=GNU/kFreeBSD netbsd10.0=NetBSD openbsd7.5=OpenBSD \
	solaris2.11=SunOS; do
	check "the bundle's folder of ${pair%=*}" test "$(sh "$top_srcdir/tools/bundle-arch" "${pair%=*}")" = "${pair#*=}"
done

# --- tools/check-owner ---
owned=$work/owned.so
: >"$owned"
mkdir "$work/bin"
fake() {
	rm -f "$work/bin/"*
	printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
	for tool in sed sh cat env; do ln -sf "$(command -v $tool)" "$work/bin/$tool"; done
}
owner() { env -i PATH="$work/bin" "$@" sh "$top_srcdir/tools/check-owner" /nonexistent "$owned" >"$work/out" 2>&1; }
fake dpkg-query "[ \"\$2\" = $owned ] && echo \"libccid:amd64: \$2\""
check "a file of a Debian package stops make install" eval '! owner'
check "the message names the Debian package" grep -q "belongs to the package libccid\." "$work/out"
check "the message says what to do" grep -q "contrib/quick-start" "$work/out"
check "the message says how to install beside it" grep -q -- "--enable-bundle=.* --disable-class" "$work/out"
check "a package may be made" owner DESTDIR=/somewhere
check "OVERWRITE_PACKAGE=yes installs" owner OVERWRITE_PACKAGE=yes
fake rpm "[ \"\$4\" = $owned ] && echo pcsc-lite-ccid || exit 1"
check "a file of an RPM package stops make install" eval '! owner'
check "the message names the RPM package" grep -q "belongs to the package pcsc-lite-ccid\." "$work/out"
fake dpkg-query "exit 1"
check "a file of no package does not stop make install" owner

# --- install, uninstall ---
check "make install" run_make install DESTDIR="$root"
doc=$(find "$root" -name from-libccid.md -printf '%h\n' -quit)
check "installed: links of the documents work" dead_links "$doc"
check "installed: README has links" grep -q '](from-libccid.md)' "$doc/README.md"
echo '[x](nothing.md)' >"$work/x.md"
check "rules: a dead link is found" eval '! dead_links "$work"'
for file in bash-completion/completions/ccid-sim bash-completion/completions/ccid-parse \
	bash-completion/completions/ccid-doctor bash-completion/completions/ccid-list \
	bash-completion/completions/ccid-add-reader metainfo/invalid.ifd_ccid.ifd_ccid.metainfo.xml; do
	check "installed: $file" is_there "/share/$file"
done
if [ "$WITH_LIBUSB" != no ]; then
	bundle=$(find "$root" -name Info.plist -printf '%h\n' -quit)
	check "installed: the folder for the list of added readers" test -d "$bundle/local"
	drop=${bundle%/*/*}
	mkdir -p "$root/etc/udev/rules.d"
	add=$(find "$root" -name ccid-add-reader -perm -u+x -path '*bin/*' -print -quit)
	check "a reader is added" env CCID_ADD_READER_UDEVADM=true "$add" --dir "$drop" \
		--rules "$root/etc/udev/rules.d" f1f1:0001 One
	check "a reader is added with its udev rule" is_there /92_pcscd_ccid_local.rules
	check "the added list is a bundle" test -e "$drop/ifd-ccid-local.bundle/Contents/Info.plist"

	# The same when ccid-add-reader is that of a second installation, whose bundle has another name.
	cp -a "$root" "$work/other"
	link=$(find "$work/other" -path '*/ifd-ccid-local.bundle/*' -name libccid.so)
	ln -sfn "$(readlink "$link" | sed 's,/ifd-ccid.bundle/,/ifd-ccid-other.bundle/,')" "$link"
	check "make uninstall leaves the readers of another bundle" eval '
		run_make uninstall DESTDIR="$work/other" && [ -h "$link" ] && [ -n "$(find "$work/other" -name 92_pcscd_ccid_local.rules)" ]'
fi
check "make uninstall" run_make uninstall DESTDIR="$root"
check "uninstalled: no file is left" test -z "$(find "$root" ! -type d)"
find "$root" ! -type d | sed 's/^/# left: /'
check "uninstalled: no bundle is left" test -z "$(find "$root" -name '*.bundle')"

# --- configure says what is missing ---
spaced="$work/a folder"
mkdir "$spaced"
if [ -x "$top_srcdir/configure" ]; then
	# A copy of the files that configure reads: a tree that is configured in place cannot be configured elsewhere.
	mkdir -p "$work/src/src/ifdh" "$work/src/src/util"
	cp -r "$top_srcdir/configure" "$top_srcdir/build-aux" "$work/src/"
	cp "$top_srcdir/src/ifdh/ifdhandler.c" "$work/src/src/ifdh/"
	touch "$work/src/src/util/plist_lex.c"
	check "configure below a path with a blank is refused" eval '! (cd "$spaced" && "$top_srcdir/configure" >"$work/out" 2>&1)'
	check "configure below a path with a blank: the message says why" grep -q "make cannot work below a path with a blank" "$work/out"
	check "configure without pkg-config is refused" eval '! (cd "$work" && PKG_CONFIG=/nonexistent/pkg-config \
		"$work/src/configure" --cache-file=/dev/null >"$work/out" 2>&1)'
	check "configure without pkg-config: the message names the package" grep -q "pkg-config is needed\|libpcsclite-dev" "$work/out"
	sed "s,^,# configure: ," "$work/out" | tail -2
	check "configure with a bad group is refused" eval '! (cd "$work" && "$work/src/configure" --with-pcscd-group="a b" >"$work/out" 2>&1)'
	check "configure with a bad group: the message says what is needed" grep -q -- "--with-pcscd-group needs the name of a group" "$work/out"
fi
if command -v aclocal >/dev/null && command -v autoconf >/dev/null; then
	mkdir "$work/acdir" "$work/tree"
	cp "$(aclocal --print-ac-dir)"/*.m4 "$work/acdir/" 2>/dev/null
	rm -f "$work/acdir/pkg.m4"
	cp -r "$top_srcdir/configure.ac" "$top_srcdir/m4" "$work/tree/"
	check "autoconf without pkg.m4 is refused" eval '! (cd "$work/tree" && ACLOCAL_PATH= aclocal -I m4 \
		--system-acdir="$work/acdir" >"$work/out" 2>&1 && autoconf >>"$work/out" 2>&1)'
	check "autoconf without pkg.m4: the message names pkg-config" grep -q "pkg-config with its macros (pkg.m4) is needed" "$work/out"
fi
check "udev: the group of --with-pcscd-group" eval 'awk -v sbindir=/s -v group=scard \
	-f "$top_srcdir/readers/make_rules.awk" src/quirks/quirks.rows "$top_srcdir/readers/reader_descriptors.tsv" \
	"$top_srcdir/readers/supported_readers.txt" "$top_srcdir/readers/92_pcscd_ccid.rules.in" |
	grep -q "GROUP=\"scard\""'
plan
