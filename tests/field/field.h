/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FIELD_H
#define FIELD_H

/* Field cases: a user's experience with a real reader, as a script that is run on the whole driver.
 * README.md explains the language. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIELD_S 1000000000ull		/* nanoseconds */
#define FIELD_READERS 2
#define FIELD_INTERFACES 4
#define FIELD_LUNS 16

/* --- patterns: bytes, masks, names for bytes (field_pattern.c) --- */

struct pattern {
	uint16_t *token;
	size_t n;
	bool open;			/* more bytes may follow */
};

/* The values of the names of a pattern ("ss", "tt"). */
struct bindings {
	struct binding {
		char name[2];
		bool bound;
		uint8_t value;
	} b[8];
};

/* Returns NULL, or the fault of the text. */
const char *pattern_parse(struct pattern *p, const char *text);
void pattern_free(struct pattern *p);
/* Sets "ss", which stands for the bSeq of the last command. */
void bind_seq(struct bindings *b, uint8_t seq);
/* Binds names that are not bound yet. b NULL: names match anything. */
bool pattern_matches(const struct pattern *p, const uint8_t *bytes, size_t len, struct bindings *b);
/* The pattern as bytes, which the caller frees; wildcards and unbound names are 00. */
uint8_t *pattern_bytes(const struct pattern *p, const struct bindings *b);
/* Writes "6F 05 00 ...", cut to cap. Returns text. */
char *hex_text(char *text, size_t cap, const uint8_t *bytes, size_t len);

/* --- scripts (field_script.c) --- */

enum answer_kind { ANSWER_BULK, ANSWER_INTERRUPT, ANSWER_STALL, ANSWER_SILENCE, ANSWER_ECHO, ANSWER_ACTION };

/* One action of the reader or of a user. */
struct answer {
	enum answer_kind kind;
	struct pattern bytes;
	char *action;
	unsigned times;			/* of messages */
	uint64_t delay;			/* ns since the previous line, or for an action the step */
};

/* An expected message of the driver, and the answers. A step's first one expects no message. */
struct exchange {
	unsigned line;
	char *text;
	bool control;
	struct pattern expected;
	struct answer *answer;
	size_t n_answers;
};

struct step {
	unsigned line;
	char *text;			/* without the parts "=>", "within", "after" */
	char *result;			/* NULL: not given */
	uint64_t within, at_least;	/* ns; 0: no such condition */
	struct exchange *exchange;
	size_t n_exchanges;
	bool rule;			/* the answers hold to the end of the case */
};

struct script {
	char *name, *path, *sim;	/* sim: the simulator text with the changes of the script */
	bool conversation;
	unsigned interface;		/* bInterfaceNumber of steps that name none */
	struct step *step;
	size_t n_steps;
	char error[300];		/* empty: the script is valid */
};

struct script *script_read(const char *folder, const char *name);
void script_free(struct script *s);
char *file_text(const char *path);

/* --- a running case (field_player.c) --- */

struct message {
	char way;			/* '>' bulk OUT, '<' bulk IN, 'i' interrupt IN, 'c' class request */
	size_t len;
	uint8_t *bytes;
};

struct running {
	const struct script *script;
	struct tape *tape;		/* NULL: nothing is recorded */
	const struct step *step;	/* the current step */
	size_t next;			/* index of the next exchange */
	const struct exchange *rule[32];
	size_t n_rules;
	struct bindings names;
	bool replayed;			/* a recording answers, not the script */
	bool closing;			/* the case is over: the model answers later messages */
	struct pending *pending;	/* a user's later actions */
	struct message *wire;
	size_t n_wire;
	char failure[800];
	unsigned failed_line;
	unsigned n_devs;
	struct field_dev {
		struct running *r;
		unsigned nr;
		uint8_t *reply;		/* to the last class request */
		const struct sim_player *inner;	/* player of a recording */
		void *inner_user;
	} dev[FIELD_READERS];
	bool opened[FIELD_LUNS];
	unsigned long lun_of[FIELD_LUNS];
	unsigned protocol[FIELD_LUNS];
	unsigned reader, interface, slot;	/* of the step; interface: bInterfaceNumber */
};

/* The simulator's index of the step's interface. */
unsigned player_interface(const struct running *r);
/* Puts the player into the present devices. */
void player_begin(struct running *r);
void player_end(struct running *r);
/* Begins and ends the step's conversation; a missing message is a failure at the end. */
void player_step(struct running *r, const struct step *s);
void player_step_over(struct running *r);
void wire_clear(struct running *r);
/* Only the first failure counts. Always returns false. */
bool failed(struct running *r, unsigned line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* --- recordings of a case (field_tape.c) --- */

/* Files are FOLDER/NAME-SEGMENT-READER; new readers begin a new segment. */
struct tape {
	const char *folder, *name;
	const char *played;		/* name of the played recording, or NULL */
	unsigned segment;
};

/* The simulator text with the recordings for its readers; the caller frees it. */
char *tape_text(const struct tape *t, const char *sim);
void tape_begin(struct running *r);
void tape_end(struct running *r);
/* Fails the case when the driver diverged from the recording. */
void tape_divergences(struct running *r);
bool tape_compare(const struct tape *t, const char *one, const char *other, char *why, size_t cap);

/* --- steps (field_step.c, field_look.c) --- */

/* A user's action on a reader; under the fake bus's lock. False: not such an action, or an
 * impossible one. */
bool person_acts(struct running *r, unsigned dev, const char *text);
/* False after a failure. */
bool step_run(struct running *r, const struct step *s);
/* Assertions about earlier steps: log, wire, card. *known is false for other words. */
bool step_look(struct running *r, const struct step *s, const char *words, bool *known);
/* "once", "never", "3 times", "at least 2 times" or nothing (at least once). */
bool count_fits(const char *words, unsigned n, bool *known);
void field_close(struct running *r);

#endif
