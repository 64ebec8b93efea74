/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SIM_DEV_PRIV_H
#define SIM_DEV_PRIV_H

/* The inside of the simulated reader, shared by the sim_*.c files only. */

#include "sim/model/sim_card.h"
#include "sim/model/sim_dev.h"

#include <stdio.h>

#define SIM_MAX_IFACES 7	/* so many fit into 15 endpoint numbers */
#define SIM_MAX_SLOTS 256
#define SIM_HEADER 10
#define SIM_ROOM 70000		/* longest message body the model makes or takes */
#define SIM_MS 1000000ull	/* nanoseconds */

/* dwFeatures (CCID 1.10 §5.1) */
#define SIM_AUTO_ACTIVATION 0x04u
#define SIM_AUTO_VOLTAGE 0x08u
#define SIM_AUTO_PARAMS 0x40u
#define SIM_AUTO_PPS 0x80u
#define SIM_AUTO_IFSD 0x400u

enum sim_level { SIM_LEVEL_CHAR, SIM_LEVEL_TPDU, SIM_LEVEL_SHORT, SIM_LEVEL_EXTENDED };
enum sim_protocol { SIM_CCID = 0, SIM_ICCD_A = 1, SIM_ICCD_B = 2 };

/* bMessageType */
enum {
	PC_SET_PARAMETERS = 0x61, PC_POWER_ON = 0x62, PC_POWER_OFF = 0x63, PC_SLOT_STATUS = 0x65,
	PC_SECURE = 0x69, PC_T0_APDU = 0x6A, PC_ESCAPE = 0x6B, PC_GET_PARAMETERS = 0x6C,
	PC_RESET_PARAMETERS = 0x6D, PC_CLOCK = 0x6E, PC_XFR_BLOCK = 0x6F, PC_MECHANICAL = 0x71,
	PC_ABORT = 0x72, PC_SET_RATE = 0x73,
	RDR_DATA = 0x80, RDR_STATUS = 0x81, RDR_PARAMETERS = 0x82, RDR_ESCAPE = 0x83, RDR_RATE = 0x84,
};

/* bError */
enum {
	ERR_UNSUPPORTED = 0x00, ERR_LENGTH = 0x01, ERR_SLOT = 0x05, ERR_BUSY = 0xE0,
	ERR_CANCELLED = 0xEF,
	ERR_PIN_TIMEOUT = 0xF0, ERR_PROCEDURE = 0xF4, ERR_MUTE = 0xFE, ERR_ABORTED = 0xFF,
};

/* What an interface's descriptors say: a row of the table, or lines of text. */
struct sim_iface_conf {
	uint8_t number, class;
	uint8_t protocol;		/* what it does: SIM_CCID, SIM_ICCD_A or SIM_ICCD_B */
	uint8_t told_protocol;		/* what bInterfaceProtocol says */
	uint8_t endpoints;
	uint16_t packet;		/* wMaxPacketSize of the bulk endpoints */
	char name[64];			/* iInterface; empty: none */
	uint8_t bDescriptorType;	/* of the class descriptor: 0x21, or 0xFF as in five old readers */
	uint16_t bcdCCID;
	uint8_t bMaxSlotIndex, bVoltageSupport;
	uint32_t dwProtocols, dwDefaultClock, dwMaximumClock;
	uint8_t bNumClockSupported;
	uint32_t dwDataRate, dwMaxDataRate;
	uint8_t bNumDataRatesSupported;
	uint32_t dwMaxIFSD, dwSynchProtocols, dwMechanical, dwFeatures, dwMaxCCIDMessageLength;
	uint8_t bClassGetResponse, bClassEnvelope;
	uint16_t wLcdLayout;
	uint8_t bPINSupport, bMaxCCIDBusySlots;
	uint32_t *rates, *clocks;	/* owned; NULL: the request is refused */
	unsigned n_rates, n_clocks;
	uint8_t foreign;		/* class of an interface that is not a reader; 0: it is one */
	uint8_t chains;			/* takes extended APDUs in parts, whatever dwFeatures says */
};

struct sim_dev_conf {
	char name[64];
	uint16_t vendor, product, bcd;
	char manufacturer[64], product_name[64], serial[64];
	unsigned n_ifaces;
	struct sim_iface_conf iface[SIM_MAX_IFACES];
	uint64_t packet_ns;		/* time of one packet on the bus */
	bool card_speed;		/* bytes take their time between reader and card */
	bool no_zlp;			/* an answer of n full packets ends without an empty one */
};

/* A message on its way to the host. */
struct sim_msg {
	uint8_t *data;
	size_t len, off;
	unsigned slot;
	bool final;		/* ends its command: frees the slot when it has gone out */
	bool stale;		/* a fault's: survives an abort */
	bool zlp;		/* an empty packet goes out behind it */
	int status;		/* what the transfer ends with */
	struct sim_msg *next;
};

struct sim_event {
	uint64_t at;
	void (*fire)(struct sim_dev *d, struct sim_event *e);
	struct sim_iface *f;
	unsigned slot;
	struct sim_urb *urb;
	struct sim_msg *msg;
	uint64_t every;		/* time extensions: one each so many ns ... */
	unsigned left;		/* ... so often */
	uint8_t seq, type, value;
	void (*call)(void *user);	/* a player's */
	void *call_user;
	struct sim_event *next;
};

/* A command as it came. */
struct sim_cmd {
	uint8_t type, slot, seq, b7, b8, b9;
	const uint8_t *data;
	size_t len;
};

struct sim_slot {
	struct sim_card *card;
	bool powered, clock_stopped;
	bool changed;			/* to be told by NotifySlotChange */
	bool loss_untold;		/* the host cannot know yet that the card is gone or without power */
	unsigned protocol;
	uint8_t params[7];		/* abProtocolDataStructure */
	bool busy;
	bool deserted;			/* the host that is owed the answer has let go of the device */
	uint8_t busy_type, busy_seq;
	uint8_t last_seq;
	bool abort_control, abort_bulk;	/* which half of the abort has come */
	uint8_t abort_seq;
	bool abort_stuck;		/* the firmware believes that it is still aborting */
	/* chaining (wLevelParameter) and what the host fetches piecewise */
	uint8_t *in, *out;
	size_t in_len, out_len, out_off;
	bool chain_in;
	uint8_t *held;			/* the answer behind a made-up S(WTX) */
	size_t held_len;
	unsigned out_parts;		/* of the answer, so far */
	char *foreign;			/* owned: where the card of this slot is to be found (sim_dev_foreign) */
	uint64_t extended_at;		/* of a foreign card's command: when more time was last asked for */
};

/* PIN entry in progress, one per interface as there is one keypad. */
struct sim_pin {
	bool active;
	struct sim_cmd cmd;
	uint8_t *data;			/* owned copy of the Secure message's data */
	uint8_t digits[3][16];
	size_t n_digits[3];
	unsigned stage, last_stage;
	unsigned key_serial;		/* tells an outdated time-out event */
	bool presented;			/* to a foreign card, which works on it */
};

/* Control-pipe device's command state (ICCD) */
struct sim_iccd {
	enum { ICCD_IDLE, ICCD_DATA, ICCD_SW, ICCD_MUTE } state;
	uint8_t header[5];
	uint8_t pending[2];
	uint64_t ready_at;
	uint8_t *answer;		/* version B: what DataBlock gives, with bResponseType */
	size_t answer_len;
	bool has_answer;
};

struct sim_pipe {
	struct sim_urb *head, **tail;
	bool halted;
	uint64_t free_at;
};

struct sim_iface {
	struct sim_dev *d;
	unsigned index;
	struct sim_iface_conf *conf;
	uint8_t ep_out, ep_in, ep_intr;
	unsigned n_slots;
	struct sim_slot *slot;
	struct sim_pipe in, intr;
	uint64_t out_free_at;
	bool out_halted;
	uint8_t *out_buf;
	size_t out_len;
	struct sim_msg *queue, **queue_tail;
	unsigned in_flight, max_in_flight;
	bool seq_known;
	uint8_t last_seq;
	struct sim_pin pin;
	bool append_mode;		/* SPR 532: Escape 80 02 00 came before the PIN entry */
	struct sim_iccd iccd;
	uint8_t intr_raw[80];		/* made up by a fault */
	size_t intr_raw_len;
	int intr_raw_status;
	bool intr_raw_set;
	struct sim_msg *notices;	/* a player's interrupt packets */
	uint64_t intr_flood_ns;
};

/* An armed fault. */
struct sim_fault {
	const struct sim_fault_kind *kind;
	int iface, slot, msg;		/* -1: any */
	unsigned nth;			/* counts down to 1 */
	unsigned count;			/* 0: for ever */
	uint64_t ns;
	bool has_ns, has_value, spent;
	uint32_t value;
	struct sim_fault *next;
};

struct sim_dev {
	struct sim_dev_conf conf;
	struct sim_iface iface[SIM_MAX_IFACES];
	bool plugged;
	uint8_t configuration;
	uint64_t now;
	uint64_t gone_told;		/* when the host first learned it; 0: not yet */
	struct sim_event *events;
	struct sim_urb *done, **done_tail;
	uint8_t *descriptors;
	size_t descriptors_len;
	char strings[4 + SIM_MAX_IFACES][64];
	unsigned n_strings;
	uint8_t *scratch, *scratch2;	/* SIM_ROOM each */
	struct sim_fault *faults;
	unsigned desc_fault;		/* enum sim_desc_fault bits */
	uint32_t desc_fault_value;
	struct sim_dev_conf *sane;	/* the configuration before descriptor faults */
	char **complaints;
	unsigned n_complaints, kept_complaints;
	void (*trace)(void *user, uint64_t now, const char *text);
	void *trace_user;
	unsigned foreign_changes;
	const struct sim_player *player;
	void *player_user;
};

enum sim_desc_fault {
	DESC_SHORT = 1, DESC_LONG = 2, DESC_DOUBLED = 4, DESC_AT_ENDPOINT = 8, DESC_NONE = 16,
	DESC_NO_ALTSETTING = 32, DESC_NO_ENDPOINTS = 64, DESC_ENDPOINTS_DOUBLED = 128,
	DESC_ENDPOINT_TYPE = 256,
};

/* sim_dev.c */
void *sim_alloc(size_t n);		/* zeroed; ends the program when there is none */
void *sim_dup(const void *p, size_t n);
/* Takes the configuration over (its lists too). */
struct sim_dev *sim_dev_new(const struct sim_dev_conf *c);
void sim_set_desc_faults(struct sim_dev *d, unsigned which, uint32_t value);
struct sim_event *sim_at(struct sim_dev *d, uint64_t at, void (*fire)(struct sim_dev *, struct sim_event *));
void sim_complete(struct sim_dev *d, struct sim_urb *u, int status);
void sim_complete_at(struct sim_dev *d, struct sim_urb *u, int status, uint64_t at);
struct sim_iface *sim_iface_by_number(struct sim_dev *d, unsigned number);
void sim_slots_init(struct sim_iface *f);
void sim_slots_free(struct sim_iface *f);
/* Whether a slot is at work for a host that has let go of the device. */
bool sim_any_deserted(const struct sim_iface *f);
void sim_card_drop(struct sim_iface *f, struct sim_slot *s);

/* sim_pipe.c: bulk and interrupt endpoints */
void sim_pipe_init(struct sim_pipe *p);
void sim_bulk_out(struct sim_iface *f, struct sim_urb *u);
void sim_bulk_in(struct sim_iface *f, struct sim_urb *u);
void sim_intr_in(struct sim_iface *f, struct sim_urb *u);
void sim_pump_in(struct sim_iface *f);
void sim_pump_intr(struct sim_iface *f);
void sim_queue(struct sim_iface *f, struct sim_msg *m);
void sim_msg_free(struct sim_msg *m);
bool sim_pipe_take(struct sim_pipe *p, struct sim_urb *u);
/* Withdraws what the slot still had to say, except what a fault holds back. */
void sim_withdraw(struct sim_iface *f, unsigned slot);
void sim_halt(struct sim_dev *d, uint8_t endpoint, bool halted);

/* sim_desc.c */
void sim_desc_build(struct sim_dev *d);
size_t sim_class_desc(const struct sim_iface_conf *c, uint8_t *out);

/* sim_control.c */
void sim_control(struct sim_dev *d, struct sim_urb *u);

/* sim_ccid.c */
void sim_ccid_message(struct sim_iface *f, const uint8_t *p, size_t len);
void sim_ccid_abort_control(struct sim_iface *f, uint8_t slot, uint8_t seq);
uint8_t sim_icc(const struct sim_slot *s);
size_t sim_params_len(const struct sim_slot *s);
void sim_slot_off(struct sim_iface *f, struct sim_slot *s);
/* Powers the card; the ATR goes to d->scratch. Returns bError, 0 when it is up. */
uint8_t sim_slot_on(struct sim_iface *f, struct sim_slot *s, unsigned power_select, size_t *len);
enum sim_level sim_level(const struct sim_iface *f);
size_t sim_max_message(const struct sim_iface *f);

/* sim_answer.c */
/* Answers c after work_ns; status: bmCommandStatus 0 or 1. */
void sim_answer(struct sim_iface *f, const struct sim_cmd *c, unsigned status, uint8_t error,
		uint8_t b9, const uint8_t *data, size_t len, uint64_t work_ns);
/* Answers c at once: failed, with that bError. */
void sim_fail(struct sim_iface *f, const struct sim_cmd *c, uint8_t error);
void sim_emit(struct sim_iface *f, struct sim_msg *m, uint64_t at);
/* A time extension for what the slot is busy with. */
void sim_extend(struct sim_iface *f, unsigned slot);

/* sim_xfr.c: the exchange with the card, the same for bulk and control pipe */
struct sim_result {
	const uint8_t *data;	/* in d->scratch or the slot's */
	size_t len;
	uint64_t work_ns;
	uint8_t chain;		/* bChainParameter */
};
/* level: wLevelParameter. room: most data in one answer. Returns 0, or -1 and bError in *error. */
int sim_escape_block(struct sim_iface *f, unsigned slot, const uint8_t *data, size_t len, struct sim_result *r,
		     uint8_t *error);
int sim_exchange(struct sim_iface *f, unsigned slot, const uint8_t *data, size_t len, unsigned level,
		 size_t room, struct sim_result *r, uint8_t *error);
int sim_card_exchange(struct sim_iface *f, struct sim_slot *s, const uint8_t *data, size_t len,
		      struct sim_result *r);
uint64_t sim_waiting_time(const struct sim_iface *f, const struct sim_slot *s, unsigned bwi);

/* sim_foreign.c: what a foreign card has not answered yet is undone, and done again later. */
struct sim_attempt {
	struct sim_card *saved;
	size_t in_len;
	bool chain_in;
	struct sim_iccd iccd;
};
void sim_attempt_begin(struct sim_iface *f, unsigned slot, struct sim_attempt *a);
/* True: the card works, and nothing has happened. fire is called when it may have ended. */
struct sim_event *sim_attempt_end(struct sim_iface *f, unsigned slot, struct sim_attempt *a,
				  void (*fire)(struct sim_dev *d, struct sim_event *e));
/* In fire: true when the card still works, and fire is called once more. */
bool sim_attempt_again(struct sim_dev *d, struct sim_event *e);
/* Whether the command of the slot is being undone: nothing of it may be told. */
bool sim_attempt_undone(const struct sim_iface *f, unsigned slot);
/* 0: the words describe a card of the model; 1: a foreign one, which is expected from now on; -1 and err. */
int sim_foreign_invite(struct sim_dev *d, struct sim_slot *s, const char *spec, char *err, size_t err_cap);
bool sim_foreign_dismiss(struct sim_dev *d, struct sim_slot *s);

/* sim_pinpad.c */
void sim_secure(struct sim_iface *f, const struct sim_cmd *c);
void sim_pin_end(struct sim_iface *f);

/* sim_escape.c: does the reader pass on T=1 blocks in Escape commands, 1A and the block? */
bool sim_escape_blocks(const struct sim_iface *f);
bool sim_escape(struct sim_iface *f, const uint8_t *in, size_t len, uint8_t *out, size_t *out_len);

/* sim_iccd.c: true when the request was one of ICCD's. */
bool sim_iccd_request(struct sim_iface *f, struct sim_urb *u);

/* sim_column.c: the columns of the reader table, NULL after the last. May column i hold that text? Else err has why. */
const char *sim_column_name(size_t i);
bool sim_column_allows(size_t i, const char *text, char *err, size_t err_cap);

/* sim_table.c */
bool sim_table_conf(struct sim_dev_conf *c, const char *which, unsigned index, char *err, size_t err_cap);
void sim_conf_defaults(struct sim_dev_conf *c);
void sim_iface_defaults(struct sim_iface_conf *f, unsigned number);
void sim_conf_free(struct sim_dev_conf *c);
/* "9600,19200": returns how many, *list is the caller's. */
unsigned sim_parse_list(const char *text, uint32_t **list);
void sim_copy_text(char *to, size_t cap, const char *from);

/* sim_fault.c. Each returns what is to be done where a fault may strike. */
struct sim_strike {
	bool drop, twice, forever, gone;
	unsigned extensions;
	uint64_t every, delay;
	int status;
	bool no_zlp, empty_before;
	uint8_t multiplier;
	unsigned stale_before;
	bool stale;
};
struct sim_strike_at {
	struct sim_iface *f;
	const struct sim_cmd *c;
	struct sim_msg *m;
	struct sim_strike *k;
};

struct sim_fault_kind {
	const char *name;
	uint8_t only;		/* answers to this message type only; 0: any */
	void (*answer)(const struct sim_fault *t, const struct sim_strike_at *a);
	void (*now)(struct sim_dev *d, const struct sim_fault *t, struct sim_iface *f);
	const char *doc;
};

extern const struct sim_fault_kind sim_fault_kinds[];
extern const unsigned sim_fault_kind_count;
void sim_fault_answer(struct sim_iface *f, const struct sim_cmd *c, struct sim_msg *m, struct sim_strike *k);
/* A fault of that name that strikes now (counted), or NULL. */
const struct sim_fault *sim_fault_hits(struct sim_dev *d, const char *name, struct sim_iface *f, int slot);
uint32_t sim_fault_value(const struct sim_fault *t, uint32_t otherwise);
void sim_faults_clear(struct sim_dev *d);

/* sim_player.c */
bool sim_player_message(struct sim_iface *f, const uint8_t *p, size_t len);
bool sim_player_request(struct sim_iface *f, struct sim_urb *u);
void sim_player_sent(struct sim_iface *f, bool interrupt, const uint8_t *p, size_t len);
bool sim_player_alone(const struct sim_dev *d);
enum sim_status sim_player_out(struct sim_iface *f, const struct sim_urb *u);
void sim_player_plugged(struct sim_dev *d);
void sim_player_free(struct sim_dev *d);
/* The next interrupt packet of the player, which the caller frees, or NULL. */
struct sim_msg *sim_take_notice(struct sim_iface *f);

/* sim_replay_conf.c: descriptors, endpoints and strings as recorded. */
struct sim_recording;
void sim_recording_show(const struct sim_recording *r, struct sim_dev *d);

/* sim_trace.c */
const char *sim_message_name(uint8_t type);
void sim_complain(struct sim_dev *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_trace_msg(struct sim_iface *f, bool out, const uint8_t *p, size_t len);
void sim_trace_text(struct sim_dev *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_keep_card_complaints(struct sim_dev *d, const struct sim_card *c);

static inline void sim_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void sim_put32(uint8_t *p, uint32_t v)
{
	sim_put16(p, v & 0xFFFF);
	sim_put16(p + 2, v >> 16);
}

static inline unsigned sim_get16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

static inline uint32_t sim_get32(const uint8_t *p)
{
	return sim_get16(p) | (uint32_t)sim_get16(p + 2) << 16;
}

#endif
