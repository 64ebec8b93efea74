/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SIM_DEV_H
#define SIM_DEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A simulated USB device with one or more CCID/ICCD interfaces and cards in its slots. Pure C:
 * no I/O, no threads, time is an argument (nanoseconds, monotonic). Every way to plug it in
 * (usbfs daemon, fake libusb, USB/IP) drives it through this header only. */
struct sim_dev;

/* Results of a transfer, as in USB request blocks. */
enum sim_status {
	SIM_OK = 0,
	SIM_STALL = -32,	/* -EPIPE */
	SIM_OVERFLOW = -75,	/* -EOVERFLOW */
	SIM_CANCELLED = -2,	/* -ENOENT: discarded */
	SIM_GONE = -108,	/* -ESHUTDOWN: unplugged */
	SIM_IO = -71,		/* -EPROTO */
};

enum sim_urb_type { SIM_CONTROL, SIM_BULK, SIM_INTERRUPT };

/* One transfer. The attachment owns it and its buffer until it is completed or reaped. */
struct sim_urb {
	enum sim_urb_type type;
	uint8_t endpoint;	/* bEndpointAddress; 0 for control */
	uint8_t setup[8];	/* control only; wLength counts, buf holds the data stage only */
	uint8_t *buf;
	size_t len;		/* bytes to send, or room for what comes */
	size_t actual;		/* set at completion */
	int status;		/* enum sim_status, set at completion */
	void *user;
	struct sim_urb *next;	/* the device's while submitted */
};

/* Builds devices from the text of a simulator file (format in ccid-sim(1) and sim_config.c). Returns how
 * many were made, or -1 with a message that names the line. */
int sim_config_parse(const char *text, struct sim_dev ***devs, char *err, size_t err_cap);
/* One device from the reader table: "08e6:3437", "08e6:3437#1" (the second with that id), a dump
 * name ("GemPCTwin"); or NULL and err. */
struct sim_dev *sim_dev_from_table(const char *which, char *err, size_t err_cap);
void sim_dev_free(struct sim_dev *d);

const char *sim_dev_name(const struct sim_dev *d);
uint16_t sim_dev_vendor(const struct sim_dev *d), sim_dev_product(const struct sim_dev *d);
unsigned sim_dev_interfaces(const struct sim_dev *d);
/* Interfaces are told by index here, 0 first; this gives bInterfaceNumber. */
unsigned sim_dev_interface_number(const struct sim_dev *d, unsigned interface);
unsigned sim_dev_slots(const struct sim_dev *d, unsigned interface);
/* Device descriptor followed by the configuration descriptor, as usbfs gives them to read(). */
const uint8_t *sim_dev_descriptors(const struct sim_dev *d, size_t *len);
/* USB speed as the kernel numbers it: 2 full, 3 high. */
unsigned sim_dev_speed(const struct sim_dev *d);
/* String descriptor i as ASCII, NULL when there is none. */
const char *sim_dev_string(const struct sim_dev *d, unsigned index);

/* Submits a transfer at time now. It completes later (sim_dev_reap), at once at the earliest. */
void sim_dev_submit(struct sim_dev *d, struct sim_urb *u, uint64_t now);
/* Discards one: it comes out of sim_dev_reap with SIM_CANCELLED. False: not pending. */
bool sim_dev_discard(struct sim_dev *d, struct sim_urb *u, uint64_t now);
/* When something will happen next; UINT64_MAX: nothing until the host or a user acts. */
uint64_t sim_dev_next(const struct sim_dev *d);
/* Advances to now and gives the next completed transfer, or NULL. */
struct sim_urb *sim_dev_reap(struct sim_dev *d, uint64_t now);

/* A user's actions on a slot of an interface; false: no such slot (or nothing to do). */
bool sim_dev_insert(struct sim_dev *d, unsigned interface, unsigned slot, const char *card_spec,
		    uint64_t now, char *err, size_t err_cap);
bool sim_dev_remove(struct sim_dev *d, unsigned interface, unsigned slot, uint64_t now);
/* Foreign cards, which the attachment brings: words that begin with "vpcd:" or "pcsc:" as card_spec only say where the
 * card of a slot is to be found. NULL: no such slot; changes: counts whenever a slot's words change. */
const char *sim_dev_foreign(const struct sim_dev *d, unsigned interface, unsigned slot);
unsigned sim_dev_foreign_changes(const struct sim_dev *d);
struct sim_foreign_spec {
	unsigned port;		/* vpcd:PORT; 0: pcsc:READER */
	unsigned wait_s;	/* how long its commands may take */
	char reader[256];
	char words[512];	/* for the card of the model that stands before it */
};
bool sim_foreign_parse(const char *spec, struct sim_foreign_spec *o, char *err, size_t err_cap);
struct sim_foreign;
/* The card comes and goes; the slot still expects it. words: as in sim_card_new(). user: valid until it goes. */
bool sim_dev_foreign_come(struct sim_dev *d, unsigned interface, unsigned slot, const char *words,
			  const struct sim_foreign *f, void *user, uint64_t now, char *err, size_t err_cap);
void sim_dev_foreign_go(struct sim_dev *d, unsigned interface, unsigned slot, uint64_t now);
bool sim_dev_has_card(const struct sim_dev *d, unsigned interface, unsigned slot);
/* PIN pad: keys "1234\n" (\n OK, \033 cancel) pressed at now, one each 50 ms. */
bool sim_dev_keys(struct sim_dev *d, unsigned interface, const char *keys, uint64_t now);
/* Unplugged: pending transfers end with SIM_GONE, later ones too, until plugged again (state as new). */
void sim_dev_unplug(struct sim_dev *d, uint64_t now);
void sim_dev_plug(struct sim_dev *d, uint64_t now);
/* USB reset (usbreset, resume): all slots powered off, sequence forgotten. */
void sim_dev_reset(struct sim_dev *d, uint64_t now);
bool sim_dev_is_plugged(const struct sim_dev *d);
/* SET_INTERFACE / claim bookkeeping is the attachment's business. */

/* A player's answer to a class request. */
struct sim_reply {
	const uint8_t *data;	/* of an IN request; valid until the next request */
	size_t len;
	uint64_t after_ns;
	bool stall, silent;	/* silent: it never completes */
};

/* A player stands between the endpoints and the model and answers in its place. Called while the device is worked on
 * (under the attachment's lock, if it has one). */
struct sim_player {
	/* A whole message of bulk OUT; a class request. True: it is the player's, the model does not see it. */
	bool (*message)(void *user, unsigned interface, const uint8_t *p, size_t len);
	bool (*request)(void *user, unsigned interface, const uint8_t setup[8], const uint8_t *data,
			struct sim_reply *r);	/* data: of an OUT request */
	/* What goes to the host on bulk IN or interrupt IN, from any part of the model. */
	void (*sent)(void *user, unsigned interface, bool interrupt, const uint8_t *p, size_t len);
	/* What becomes of a transfer on bulk OUT; SIM_CANCELLED: it is never taken. May be NULL: it is taken. */
	enum sim_status (*out)(void *user, unsigned interface, const uint8_t *p, size_t len);
	void (*plugged)(void *user);	/* again; may be NULL, as may free: the device ends */
	void (*free)(void *user);
	bool alone;		/* the model announces no slot changes */
};

/* The player that is there, NULL without one. */
const struct sim_player *sim_dev_player(const struct sim_dev *d, void **user);
/* NULL ends it. */
void sim_dev_set_player(struct sim_dev *d, const struct sim_player *p, void *user);
/* Raw bytes for the host, at a time: one transfer on bulk IN (len 0: an empty packet), one on interrupt IN. */
void sim_dev_say(struct sim_dev *d, unsigned interface, const uint8_t *p, size_t len, uint64_t at);
/* The same, whatever the device does otherwise: open leaves out the short packet at its end. */
void sim_dev_say_part(struct sim_dev *d, unsigned interface, const uint8_t *p, size_t len, bool open, uint64_t at);
/* A transfer on bulk IN, or on interrupt IN, fails at a time; with SIM_STALL the endpoint halts. */
void sim_dev_fail(struct sim_dev *d, unsigned interface, bool interrupt, int status, uint64_t at);
void sim_dev_notify(struct sim_dev *d, unsigned interface, const uint8_t *p, size_t len, uint64_t at);
/* Calls back when it is time. The call may do anything to the device. Unplugging forgets it. */
void sim_dev_call_at(struct sim_dev *d, uint64_t at, void (*call)(void *user), void *user);
/* How often the card in the slot has executed the command with this INS since it was inserted. */
unsigned sim_dev_card_ran(const struct sim_dev *d, unsigned interface, unsigned slot, uint8_t ins);

/* Arms a named fault: "name [key=value ...]", e.g. "late-answer slot=1 nth=3 count=1 ms=50";
 * "clear" ends all. False with a message for an unknown name. List: sim_fault.c. */
bool sim_dev_fault(struct sim_dev *d, const char *spec, char *err, size_t err_cap);
/* The i-th fault's name and what it does, NULL beyond the last: for help texts and for tests that visit all. */
const char *sim_fault_name(unsigned i);
const char *sim_fault_doc(unsigned i);

/* Violations by the driver: counted, named, e.g. "bulk: command on busy slot 2 (bSeq 7)". */
unsigned sim_dev_complaints(const struct sim_dev *d);
const char *sim_dev_complaint(const struct sim_dev *d, unsigned i);
/* Most commands that were in flight at once on an interface. */
unsigned sim_dev_max_in_flight(const struct sim_dev *d, unsigned interface);
/* What went over the wire, one line a message ("out slot 0 seq 3 XfrBlock 5: 00A40000"), kept
 * when tracing was asked for; called for each line. */
void sim_dev_trace(struct sim_dev *d, void (*line)(void *user, uint64_t now, const char *text), void *user);

#endif
