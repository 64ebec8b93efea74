/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SIM_REPLAY_H
#define SIM_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/model/sim_dev.h"

/* A recording in memory, whatever file it came from, and the player that answers as recorded. */

/* An answer or notification of the reader after an item. */
struct replay_answer {
	bool interrupt, seq_follows; /* bSeq is the command's */
	bool open;		     /* no short packet ended it */
	int status;		     /* enum sim_status */
	uint8_t *bytes;
	size_t len, full; /* bytes here; bytes that there were: the rest is hidden */
	uint64_t after;	  /* ns since the item */
};

/* Replay goes on from item to item: a command, a class request, or that the reader was plugged in. */
enum replay_kind { REPLAY_BEGIN, REPLAY_COMMAND, REPLAY_REQUEST };
struct replay_item {
	enum replay_kind kind;
	unsigned line;	    /* in the file */
	unsigned interface; /* bInterfaceNumber */
	bool poll;	    /* GetSlotStatus */
	uint8_t setup[8];   /* of a request */
	uint8_t *bytes;	    /* a command; what is sent with a request */
	size_t len, full;
	int status;	     /* of a request */
	enum sim_status out; /* of a command: its result on bulk OUT */
	uint8_t *reply;	     /* to a request */
	size_t reply_len, reply_full;
	uint64_t time; /* ns since the recording began */
	struct replay_answer *answer;
	size_t n_answers;
	size_t anchor;	/* of a poll: the last item of the interface that is none ... */
	size_t notices; /* ... and how many notifications it had before the poll */
	/* while it is played */
	bool played;
	size_t notices_played;
};

#define REPLAY_STRINGS 16
struct sim_recording {
	char *file;
	uint16_t vendor, product; /* 0: the file does not say */
	uint8_t *descriptors;	  /* device and configuration; NULL: the file has none */
	size_t descriptors_len;
	char *string[REPLAY_STRINGS]; /* by index */
	struct replay_item *item;
	size_t n_items;
	uint64_t first; /* time of the first message, for files with absolute times */
	bool has_first;
};

/* Reads a recording of any kind; NULL and err, which names the line. vendor, product: which reader of the file, 0
 * when it has one only. */
struct sim_recording *sim_recording_read(const char *file, uint16_t vendor, uint16_t product, char *err,
					 size_t cap);
void sim_recording_free(struct sim_recording *r);

/* For readers of files. Times are ns since the recording began. */
void sim_recording_begin(struct sim_recording *r, unsigned interface, uint64_t time, unsigned line);
struct replay_item *sim_recording_command(struct sim_recording *r, unsigned interface, uint64_t time, unsigned line,
					  const uint8_t *p, size_t len, size_t full);
struct replay_item *sim_recording_request(struct sim_recording *r, unsigned interface, uint64_t time, unsigned line,
					  const uint8_t setup[8]);
/* False: an answer to nothing. */
bool sim_recording_answer(struct sim_recording *r, unsigned interface, uint64_t time,
			  const struct replay_answer *a);
bool sim_recording_text(struct sim_recording *r, char *text, char *err, size_t cap);

/* Reads logs and captures; set by programs that can (sim_replay_trace.c). */
typedef bool (*sim_foreign_reader)(struct sim_recording *r, uint16_t vendor, uint16_t product, char *err,
				   size_t cap);
void sim_recording_set_foreign(sim_foreign_reader read);
bool sim_replay_trace(struct sim_recording *r, uint16_t vendor, uint16_t product, char *err, size_t cap);

/* The recorded device. False: the recording does not describe it. */
struct sim_dev_conf;
bool sim_recording_conf(const struct sim_recording *r, struct sim_dev_conf *c);
/* The block and the answer to it that a slot was played last; at character level the answer comes in parts. */
enum { REPLAY_BLOCK = 262, SIM_BLOCK_IN_ESCAPE = 0x1A /* OMNIKEY: a T=1 block follows */ };
struct replay_heard {
	uint8_t command[REPLAY_BLOCK], answer[REPLAY_BLOCK];
	size_t command_len, answer_len;
};

/* The model's power and parameters become those of the item that was played. */
struct sim_iface;
void sim_replay_keep_up(struct sim_iface *f, const struct replay_item *t);
/* The model's card becomes what the message m, played as the answer to a command, leaves it: protocol and speed after a
 * PPS, numbers of T=1 blocks. Both are CCID messages. */
void sim_replay_heard(struct sim_iface *f, struct replay_heard *h, const uint8_t *command, size_t command_len,
		      const uint8_t *m, size_t len);

/* From now on the device answers as recorded; it owns the recording. */
void sim_replay_begin(struct sim_dev *d, struct sim_recording *r);
/* The conversation is over: items that the driver did not ask for are reported as divergences. */
void sim_replay_end(struct sim_dev *d);
/* The places where the driver did not follow the recording; NULL beyond the last. */
unsigned sim_replay_divergences(const struct sim_dev *d);
const char *sim_replay_divergence(const struct sim_dev *d, unsigned i);
bool sim_replay_is(const struct sim_dev *d);

#endif
