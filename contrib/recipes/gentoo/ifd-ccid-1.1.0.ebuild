# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2154

EAPI=8

inherit toolchain-funcs udev

DESCRIPTION="PC/SC driver for USB CCID and ICCD smart card readers"
HOMEPAGE="about:blank"
SRC_URI="${P}.tar.xz"

LICENSE="LGPL-2.1+"
SLOT="0"
KEYWORDS="~amd64 ~arm64 ~x86"
IUSE="+serial test"
RESTRICT="fetch !test? ( test )"

DEPEND=">=sys-apps/pcsc-lite-1.8.3
	>=dev-libs/libusb-1.0.21:1
	sys-libs/zlib"
RDEPEND="${DEPEND}
	acct-group/pcscd
	!app-crypt/ccid"
BDEPEND="virtual/pkgconfig
	test? ( dev-util/cmocka )"

src_configure() {
	tc-export PKG_CONFIG
	econf $(use_enable serial twinserial) --with-udevdir="$(get_udevdir)"
}

src_test() {
	emake check e2e_chosen=
}

pkg_postinst() {
	udev_reload
}

pkg_postrm() {
	udev_reload
}
