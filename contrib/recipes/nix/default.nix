# SPDX-License-Identifier: LGPL-2.1-or-later
{ lib, stdenv, pkg-config, libusb1, pcsclite, zlib, cmocka, python3 }:

stdenv.mkDerivation rec {
  pname = "ifd-ccid";
  version = "1.1.0";
  src = ./. + "/${pname}-${version}.tar.xz";

  nativeBuildInputs = [ pkg-config ];
  buildInputs = [ libusb1 pcsclite zlib ];
  nativeCheckInputs = [ cmocka python3 ];

  configureFlags = [
    "--enable-twinserial"
    "--enable-usbdropdir=${placeholder "out"}/pcsc/drivers"
    "--enable-serialconfdir=${placeholder "out"}/etc/reader.conf.d"
    "--with-udevdir=${placeholder "out"}/lib/udev"
  ];
  doCheck = true;
  checkFlags = [ "e2e_chosen=" ];

  meta = {
    description = "PC/SC driver for USB CCID and ICCD smart card readers";
    license = lib.licenses.lgpl21Plus;
    platforms = lib.platforms.linux;
  };
}
