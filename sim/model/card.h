/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SIM_CARD_PRIVATE_H
#define SIM_CARD_PRIVATE_H

/* Private to the files of the simulated card. */
#include "sim/model/sim_card.h"

enum {
	CARD_BUF = 65600,	/* longest command APDU 65 544 bytes, longest answer 65 538 */
	CARD_BLOCK = 260,	/* NAD PCB LEN, 254 bytes, CRC */
	CARD_FILES = 7,
	CARD_FAULTS = 8,
	CARD_COMPLAINTS = 32,
};

/* ---- what the spec says, never changed afterwards (card_spec.c) ---- */

enum card_applet { APPLET_FILE, APPLET_ECHO, APPLET_NONE };
enum card_ack { ACK_ALL, ACK_ONE, ACK_MIXED };
enum card_crc { CRC_NONE, CRC_PLAIN, CRC_ISO };
enum card_wtx { WTX_AUTO, WTX_OFF, WTX_FIXED };

struct card_config {
	uint8_t atr[64];	/* as given, or built from the words below */
	size_t atr_len;
	bool atr_given;
	unsigned protocols;	/* bit 0: T=0, bit 1: T=1 */
	unsigned ta1;
	unsigned ta2, tc1, wi;	/* beyond FF: absent */
	unsigned ifsc, bwi, cwi;
	unsigned crc;		/* enum card_crc: how, when TC3 says CRC */
	unsigned inverse, mute;
	uint8_t hist[15];
	size_t hist_len;
	unsigned classes;	/* bit 0: A (5 V), 1: B, 2: C */
	unsigned applet;	/* enum card_applet */
	unsigned gsm;		/* class A0, 9Fxx in place of 61xx */
	unsigned time_us;	/* work for each APDU */
	unsigned wtx_mode, wtx, wtx_count;
	unsigned nulls;		/* T=0: 60 before each procedure byte */
	unsigned ack;		/* enum card_ack */
	unsigned chain;		/* T=1: most bytes in one of the card's I-blocks */
	unsigned nad_echo;	/* answers with the NAD as it came, not with SAD and DAD swapped */
	uint8_t pin[13];
	unsigned pin_len, tries;
	unsigned own_atr;	/* foreign: of its ATR, only the historical bytes are taken */
};

/* ---- ATR (card_atr.c) ---- */

struct card_atr {
	unsigned protocols;	/* as in the config */
	unsigned first;		/* protocol spoken without PPS */
	bool specific;		/* TA2 is there: no PPS */
	uint8_t ta1;
	unsigned wi, ifsc, bwi;
	bool crc;
};

void card_atr_build(struct card_config *cfg);
/* Fills c->atr_out with the ATR, or what a fault makes of it; returns its length. */
size_t card_atr_send(struct sim_card *c);
void card_atr_parse(const uint8_t *atr, size_t len, struct card_atr *a);

/* ---- faults (card_fault.c) ---- */

/* The occasions at which a fault may act. */
enum card_stage {
	STAGE_ATR,	/* an ATR goes out */
	STAGE_PPS,	/* a PPS answer goes out */
	STAGE_T0,	/* a T=0 command comes in */
	STAGE_T1_OUT,	/* a block goes out: damaged on its way */
	STAGE_T1_ASK,	/* the card's turn to send an I- or R-block: an S(request) goes first */
	STAGE_T1_IN,	/* a good I-block comes in: refused */
	STAGE_T1_RESYNCH, /* S(RESYNCH request) comes in */
};

enum card_fault_id {
	FAULT_ATR_CLAIMS, FAULT_ATR_EMPTY, FAULT_ATR_LONG, FAULT_ATR_TS, FAULT_ATR_CUT,
		FAULT_ATR_TDS,
	FAULT_PPS_NO_PPS1, FAULT_PPS_PPS1, FAULT_PPS_PCK, FAULT_PPS_PROTOCOL, FAULT_PPS_PPSS,
	FAULT_PPS_SHORT, FAULT_PPS_EMPTY, FAULT_PPS_SILENT,
	FAULT_T0_NULL, FAULT_T0_COMPLEMENT, FAULT_T0_PROCEDURE, FAULT_T0_MORE, FAULT_T0_LESS,
	FAULT_T0_CUT, FAULT_T0_MUTE,
	FAULT_T1_NAD, FAULT_T1_LEN255, FAULT_T1_LEN, FAULT_T1_EDC, FAULT_T1_NS, FAULT_T1_CUT,
	FAULT_T1_EMPTY, FAULT_T1_EXTRA, FAULT_T1_MUTE,
	FAULT_T1_IFS0, FAULT_T1_IFS255, FAULT_T1_IFS, FAULT_T1_WTX0, FAULT_T1_WTX255,
	FAULT_T1_ASK_RESYNCH, FAULT_T1_ABORT, FAULT_T1_UNKNOWN_S,
	FAULT_T1_R, FAULT_T1_NO_RESYNCH,
};

/* Kinds of blocks, for on= */
enum { KIND_I = 1, KIND_R = 2, KIND_S = 4, KIND_ANY = 7 };

struct card_fault_def {
	const char *name;
	enum card_fault_id id;
	enum card_stage stage;
	unsigned value;		/* default of value= */
	unsigned kinds;		/* STAGE_T1_OUT: blocks it can damage */
	uint8_t pcb;		/* STAGE_T1_ASK: PCB of the request */
	bool illegal;		/* STAGE_T1_ASK: the standard does not allow this request */
	const char *text;
};

struct card_fault {
	const struct card_fault_def *def;	/* NULL: free place */
	unsigned nth, count, value, kinds;
	unsigned seen, fired;
	bool until_reset;
};

/* Counts an occasion for every armed fault of the stage; the one that acts, or NULL. */
const struct card_fault *card_fault_due(struct sim_card *c, enum card_stage stage, unsigned kind);
void card_fault_reset(struct sim_card *c);

/* ---- T=0 (card_t0.c) ---- */

struct card_t0 {
	uint8_t hdr[5];
	size_t hdr_len;
	size_t need;		/* data bytes of the command still to come */
	size_t granted;		/* of them: before the next procedure byte */
	uint8_t data[256];
	size_t data_len;
	uint8_t q[2048];	/* bytes the card sends */
	size_t q_pos, q_len;
	unsigned nulls;		/* 60s in q that stand for work */
	uint64_t work, piece;	/* ns of work before what is in q; share of each 60 */
	bool stuck;		/* a fault: stuck_byte for ever, until the next command */
	uint8_t stuck_byte;
	const struct card_fault_def *fault;	/* the fault of this command */
	unsigned fault_value;
};

/* ---- T=1 (card_t1.c; blocks in card_t1_block.c) ---- */

struct card_t1 {
	enum card_crc crc;
	uint8_t ns;		/* N(S) of the next I-block of the card */
	uint8_t nr;		/* N(S) expected from the other side */
	uint8_t ifsc, ifsd;
	uint8_t nad;		/* of the block that came last */
	uint8_t last[CARD_BLOCK];	/* last block sent, as it should be */
	size_t last_len;	/* 0: none yet */
	uint8_t last_i[CARD_BLOCK];	/* last I-block sent, while not acknowledged */
	size_t last_i_len;
	bool damaged;		/* last did not arrive whole: repair is not a violation */
	bool asked;		/* an S(request) of the card waits for its response */
	bool asked_illegal;
	uint8_t ask[CARD_BLOCK];
	size_t ask_len;
	bool send_r;		/* the card's turn: acknowledge a chained block, else answer */
	unsigned wtx_left;
	size_t tx_pos, tx_len;	/* in sim_card.tx: sent so far, whole */
	size_t rx_len;		/* in sim_card.rx: the command so far */
	bool rx_chain;
	uint64_t piece;		/* ns of work before each block until the first of the answer */
	uint8_t own_ns, own_nr;	/* of a reader that speaks T=1 itself, and lets the host do so as well */
	bool passed;		/* the reader has spoken since the host did: numbers differ by no fault of the host */
};

/* The reason why a block is not acceptable; the low bits of the R-block that reports it
 * (§11.3.2.2). */
enum card_block { BLOCK_OK = 0, BLOCK_EDC = 1, BLOCK_OTHER = 2 };

/* Appends the epilogue to the n bytes of prologue and information field; returns the whole
 * length. */
size_t card_t1_seal(enum card_crc crc, uint8_t *b, size_t n);
/* Judges a block that came (complaints are counted). */
enum card_block card_t1_judge(struct sim_card *c, const uint8_t *b, size_t len);
/* Sends b: remembers it, lets faults damage the copy in out. Returns 0 or SIM_CARD_MUTE. */
int card_t1_emit(struct sim_card *c, const uint8_t *b, size_t len, uint8_t *out, size_t *out_len);
/* A block of the card, sealed; returns its length. */
size_t card_t1_build(struct sim_card *c, uint8_t *b, uint8_t pcb, const uint8_t *inf, size_t n);
void card_t1_reset(struct sim_card *c);

/* ---- applet (card_applet.c, files in card_file.c) ---- */

/* A command APDU (ISO 7816-3 §12.1). */
struct card_apdu {
	uint8_t cla, ins, p1, p2;
	const uint8_t *data;
	size_t nc;
	size_t ne;		/* most bytes the other side takes; 0: no Le field */
};

/* Which way data goes at T=0, which the card knows from INS. */
enum card_dir { DIR_IN, DIR_OUT, DIR_UNKNOWN };

struct card_answer {
	uint8_t data[CARD_BUF];
	size_t pos, end;	/* what was given out already, and the end of the data */
	uint16_t sw;		/* goes with the last part */
	bool exact;		/* neither more nor less: 6Cxx when Le differs */
};

struct card_file {
	uint16_t id, parent;	/* parent 0: the MF */
	bool is_df;
	bool pin_read, pin_update;
	uint8_t *data;
	size_t size;
};

enum card_dir card_direction(const struct sim_card *c, uint8_t cla, uint8_t ins);
/* Runs a command; the answer is in c->ans, the work in c->work. */
void card_run(struct sim_card *c, const struct card_apdu *a);
/* Takes what may go out as the answer to a: *data and its length; *sw. t0: by the rules of T=0
 * (61xx, 6Cxx). */
size_t card_take(struct sim_card *c, const struct card_apdu *a, bool t0, const uint8_t **data,
		uint16_t *sw);
/* A whole command APDU: runs it, answer with SW at out; returns its length. */
size_t card_whole(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out);
void card_applet_reset(struct sim_card *c);

uint16_t card_select(struct sim_card *c, const struct card_apdu *a);
uint16_t card_read_binary(struct sim_card *c, const struct card_apdu *a);
uint16_t card_update_binary(struct sim_card *c, const struct card_apdu *a);
uint16_t card_verify(struct sim_card *c, const struct card_apdu *a);
uint16_t card_change_pin(struct sim_card *c, const struct card_apdu *a);
bool card_files_new(struct sim_card *c);
void card_files_free(struct sim_card *c);

/* ---- a card that lives elsewhere (card_foreign.c) ---- */

enum card_dir card_foreign_direction(uint8_t ins);
/* False: no ATR (yet). */
bool card_foreign_reset(struct sim_card *c, bool warm);
size_t card_foreign_whole(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out);
/* Runs a command of T=0; the answer is in c->ans. */
void card_foreign_t0(struct sim_card *c, const struct card_apdu *a);

/* ---- the card ---- */

struct sim_card {
	struct card_config cfg;
	struct card_atr atr;
	uint8_t atr_out[64];
	bool powered;
	bool talked;		/* something was exchanged since the ATR: no PPS any more */
	unsigned protocol;
	uint8_t fidi;
	uint64_t work;		/* ns, of the command that runs */

	struct card_t0 t0;
	struct card_t1 t1;
	struct card_answer ans;
	uint8_t rx[CARD_BUF];
	uint8_t tx[CARD_BUF];
	uint8_t gather[CARD_BUF];	/* ENVELOPE and command chaining */
	size_t gather_len;
	uint8_t gather_ins;		/* which command gathers */

	struct card_file files[CARD_FILES];
	unsigned df, ef;		/* indexes; ef CARD_FILES: none selected */
	uint8_t pin[13];
	unsigned pin_len, tries_left;
	bool verified;
	const struct sim_foreign *foreign;	/* NULL: the applet runs the commands */
	void *foreign_user;
	enum sim_foreign_result foreign_state;
	bool foreign_again;		/* the next command is the one that it works on */
	uint8_t foreign_head[4];	/* CLA INS P1 P2 of the last command of T=0 */

	uint32_t random;
	unsigned ran[256];		/* commands executed, by INS */

	struct card_fault faults[CARD_FAULTS];
	unsigned complaints;
	char complaint[CARD_COMPLAINTS][96];
};

bool card_spec_parse(struct card_config *cfg, struct sim_card *c, const char *spec, char *err,
		size_t cap);
void card_complain(struct sim_card *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Complains and returns false unless the card is powered and speaks this protocol. */
bool card_ready(struct sim_card *c, unsigned protocol);
/* How often the card asks for more time before an answer that takes work ns, given its waiting
 * time. */
unsigned card_extensions(const struct sim_card *c, uint64_t work, uint64_t wait_ns);

#endif
