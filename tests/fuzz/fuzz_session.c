/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole session: a reader of the table (or a made-up one), cards, then in any order faults of
 * reader and card, calls, changes of cards and devices, and failing allocations and transfers.
 * While no armed fault changes data, a successful ECHO returns the bytes that were sent; when all
 * faults have ended, the reader works. */
#include "fuzz/fuzz_session.h"

#include <libusb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 60

const char fuzz_name[] = "session";

struct session {
	bool data_faults;	/* an armed fault may change the data of an answer */
	bool card_faults;
	bool relabelled, repeated;	/* both: an old answer may have the next command's bSeq */
	bool replugged;
	unsigned protocol;
	const char *card;
	unsigned echoes;
};

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static void note_fault(struct session *s, const char *name)
{
	/* faults that leave the data of an answer unchanged, or drop the whole answer */
	static const char *const around_data[] = {
		"wrong-slot", "wrong-seq", "wrong-type", "stale", "duplicate", "zero-length", "short-answer",
		"length-more", "overflow", "in-stall", "in-error", "no-zlp", "silent", "late-answer", "slow-answer",
		"time-extension", "endless-extension", "error", "error-status", "unplug", "out-stall", "out-error",
		"out-nak",
		"control-stall", "unplug-control", "intr-short", "intr-long", "intr-unknown", "intr-overflow",
		"intr-stall", "intr-flood", "hardware-error", "iccd-poll", "iccd-empty", NULL
	};
	static const char *const relabels[] = { "wrong-slot", "wrong-seq", NULL };
	static const char *const repeats[] = { "stale", "duplicate", "late-answer", NULL };

	s->data_faults |= !is_one_of(name, around_data);
	s->relabelled |= is_one_of(name, relabels);
	s->repeated |= is_one_of(name, repeats);
}

static void arm(struct session *s, struct fuzz_in *in)
{
	const char *name = NULL;
	char spec[100], err[200];
	uint8_t which = fuzz_u8(in), nth = fuzz_u8(in), count = fuzz_u8(in), value = fuzz_u8(in);
	unsigned n = 0;

	while (sim_fault_name(n))
		n++;
	if (which < 0xA0) {
		name = sim_fault_name(which % n);
		note_fault(s, name);
		snprintf(spec, sizeof spec, count & 0x80 ? "%s nth=%u count=%u value=%u ms=%u" : "%s nth=%u count=%u",
			 name, 1u + nth % 8, count & 7u, value, value * 20u);
	} else {
		for (n = 0; sim_card_fault_name(n, NULL); n++)
			;
		s->card_faults = true;
		snprintf(spec, sizeof spec, count & 0x80 ? "%s nth=%u count=%u value=%u" : "%s nth=%u count=%u",
			 sim_card_fault_name(which % n, NULL), 1u + nth % 8, count & 7u, value);
	}
	fake_usb_lock();
	sim_dev_fault(fake_usb_dev(0), spec, err, sizeof err);
	fake_usb_unlock();
}

static void move_card(const struct session *s, bool in)
{
	char err[200];

	fake_usb_lock();
	if (in)
		sim_dev_insert(fake_usb_dev(0), 0, 0, s->card, clock_now(), err, sizeof err);
	else
		sim_dev_remove(fake_usb_dev(0), 0, 0, clock_now());
	fake_usb_unlock();
}

static void replug(struct session *s)
{
	fake_usb_unplug(0);
	fake_usb_plug(0);
	s->replugged = true;
}

/* Sends new bytes to the card's ECHO and gets them back. False: an error. */
static bool echo(struct session *s, bool must_be_right)
{
	uint8_t apdu[5 + 20 + 1] = { 0x80, 0x16, 0x00, 0x00, 20 }, get[5] = { 0x00, 0xC0, 0x00, 0x00, 0x00 };
	struct fuzz_room room = fuzz_room(64);
	RESPONSECODE rc;
	size_t n;

	s->echoes++;
	for (unsigned i = 0; i < 20; i++)
		apdu[5 + i] = (uint8_t)(s->echoes * 37 + i * 11);
	rc = fuzz_apdu(0, apdu, sizeof apdu, &room, &n);
	if (rc == IFD_SUCCESS && n == 2 && room.p[0] == 0x61) {
		get[4] = room.p[1];
		fuzz_room_end(&room);
		room = fuzz_room(64);
		rc = fuzz_apdu(0, get, sizeof get, &room, &n);
	}
	if (rc == IFD_SUCCESS && n == 22 && must_be_right)
		FUZZ_CHECK(memcmp(room.p, apdu + 5, 20) == 0 && room.p[20] == 0x90 && room.p[21] == 0);
	fuzz_room_end(&room);
	return rc == IFD_SUCCESS && n == 22;
}

/* Power on, protocol, echo. */
static bool works(struct session *s)
{
	DWORD protocol = s->protocol ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, n = 0;
	uint8_t atr[FUZZ_ATR_ROOM];

	for (unsigned i = 0; i < 3 && n == 0; i++)
		fuzz_power(0, IFD_POWER_UP, atr, &n);
	return n > 0 && IFDHSetProtocolParameters(fuzz_lun(0), protocol, 0, 0, 0, 0) == IFD_SUCCESS && echo(s, true);
}

static void step(struct session *s, struct fuzz_in *in)
{
	uint8_t op = fuzz_u8(in), atr[FUZZ_ATR_ROOM], nth;
	DWORD n;

	switch (op & 15) {
	case 0:
	case 1:
		arm(s, in);
		break;
	case 2:
		move_card(s, op & 0x10);
		break;
	case 3:
		if (op == 0xF3)
			replug(s);
		else if (op == 0xE3)
			fake_usb_reset(0);
		break;
	case 4:
		nth = fuzz_u8(in);
		fuzz_fail_alloc(nth, op & 0x10);
		break;
	case 5:
		nth = fuzz_u8(in);
		fake_usb_fail_submit(nth & 0x3F, op & 0x10 ? LIBUSB_ERROR_NO_MEM : LIBUSB_ERROR_IO);
		if (op & 0x20)
			fake_usb_fail_alloc(nth >> 5);
		if (op & 0x40)
			fake_usb_fail_open(nth >> 6, LIBUSB_ERROR_ACCESS);
		break;
	case 6:
	case 7:
	case 8:
		echo(s, !s->data_faults && !s->card_faults && !(s->relabelled && s->repeated));
		break;
	case 9:
		fuzz_power(0, IFD_POWER_UP, atr, &n);
		break;
	default:
		fuzz_driver_call(in);
		break;
	}
}

/* The reader works once all faults have ended: with a fresh card, and opened again after an
 * unplug. */
static void works_again(struct session *s)
{
	char err[200];

	fuzz_fail_alloc(0, false);
	fake_usb_fail_submit(0, 0);
	fake_usb_fail_alloc(0);
	fake_usb_fail_open(0, 0);
	fake_usb_lock();
	sim_dev_fault(fake_usb_dev(0), "clear", err, sizeof err);
	fake_usb_unlock();
	/* faults may have changed the descriptors that the bus read at the plugging-in */
	if (s->replugged || s->data_faults)
		fake_usb_unplug(0);
	fake_usb_plug(0);
	move_card(s, false);
	move_card(s, true);
	if (fuzz_is_gone(0) || s->replugged || s->data_faults) {
		for (unsigned k = 0; k < FUZZ_LUNS; k++)
			IFDHCloseChannel(fuzz_lun(k));
		FUZZ_CHECK(fuzz_driver_open(0) == IFD_SUCCESS);
	}
	FUZZ_CHECK(works(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = fuzz_input(data, len);
	struct session s = { .card = NULL };
	struct sim_dev *d = fuzz_reader(&in, &s.protocol, &s.card);
	uint8_t first = fuzz_u8(&in);
	bool fit;

	s.relabelled = !fuzz_driver_numbers_count(d);
	fuzz_driver_begin();
	fake_usb_add(d);
	/* A reader that does not work without faults is not tested here. */
	fit = fuzz_driver_open(0) == IFD_SUCCESS && works(&s);
	if (fit && first & 1) {
		IFDHCloseChannel(fuzz_lun(0));
		fuzz_fail_alloc(first >> 1, false);
		fuzz_driver_open(0);
		fuzz_fail_alloc(0, false);
	}
	for (unsigned i = 0; fit && i < STEPS && in.left; i++)
		step(&s, &in);
	if (fit)
		works_again(&s);
	fuzz_driver_end();
	return 0;
}
