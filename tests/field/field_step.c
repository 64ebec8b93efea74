/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of a script: pcscd's calls, and a user's actions on the reader. */
#include "field/field.h"
#include "unit/driver/driver_fixture.h"

#include <errno.h>
#include <libusb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_ROOM 65548u		/* pcscd's longest */
#define CTL_VERIFY 0x42330006u
#define CTL_MODIFY 0x42330007u

/* The result of a step. */
struct outcome {
	RESPONSECODE code;
	uint8_t *bytes;
	size_t len;
};

static const char *after(const char *line, const char *keyword)
{
	size_t n = strlen(keyword);

	if (strncmp(line, keyword, n) != 0 || (line[n] && line[n] != ' '))
		return NULL;
	return line + n + strspn(line + n, " ");
}

static DWORD lun_now(const struct running *r)
{
	return (DWORD)(r->reader * FIELD_INTERFACES + r->interface) << 16 | r->slot;
}

static unsigned lun_index(struct running *r)
{
	unsigned i;

	for (i = 0; i < FIELD_LUNS - 1 && r->opened[i]; i++)
		if (r->lun_of[i] == lun_now(r))
			return i;
	r->lun_of[i] = lun_now(r);
	return i;
}

/* --- pcscd's calls --- */

typedef void call_fn(struct running *r, const char *words, struct outcome *o);

static void call_open(struct running *r, const char *words, struct outcome *o)
{
	unsigned i = lun_index(r);

	(void)words;
	o->code = fixture_open(lun_now(r), r->reader, r->interface);
	r->opened[i] = true;
	r->lun_of[i] = lun_now(r);
	r->protocol[i] = 0;
}

static void call_close(struct running *r, const char *words, struct outcome *o)
{
	(void)words;
	o->code = IFDHCloseChannel(lun_now(r));
}

static void call_presence(struct running *r, const char *words, struct outcome *o)
{
	(void)words;
	o->code = IFDHICCPresence(lun_now(r));
}

static void power(struct running *r, DWORD action, struct outcome *o)
{
	DWORD len = MAX_ATR_SIZE;

	o->code = IFDHPowerICC(lun_now(r), action, o->bytes, &len);
	o->len = len;
}

static void call_power_on(struct running *r, const char *words, struct outcome *o)
{
	(void)words;
	power(r, IFD_POWER_UP, o);
}

static void call_power_off(struct running *r, const char *words, struct outcome *o)
{
	(void)words;
	power(r, IFD_POWER_DOWN, o);
}

static void call_reset(struct running *r, const char *words, struct outcome *o)
{
	(void)words;
	power(r, IFD_RESET, o);
}

static void call_protocol(struct running *r, const char *words, struct outcome *o)
{
	unsigned t;
	char tail;

	if (sscanf(words, "T=%u%c", &t, &tail) != 1 || t > 1) {
		failed(r, r->step->line, "protocol T=0 or protocol T=1");
		return;
	}
	r->protocol[lun_index(r)] = t;
	o->code = IFDHSetProtocolParameters(lun_now(r), t ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0, 0);
}

/* The bytes of a command, which the caller frees; NULL after a failure. */
static uint8_t *command(struct running *r, const char *words, size_t *len)
{
	struct bindings none = { 0 };
	struct pattern p;
	const char *wrong = pattern_parse(&p, words);
	uint8_t *bytes;

	if (wrong) {
		failed(r, r->step->line, "not bytes: \"%s\"", wrong);
		return NULL;
	}
	bytes = pattern_bytes(&p, &none);
	*len = p.n;
	pattern_free(&p);
	return bytes;
}

static void call_transmit(struct running *r, const char *words, struct outcome *o)
{
	SCARD_IO_HEADER pci = { r->protocol[lun_index(r)], 0 };
	DWORD n = ANSWER_ROOM;
	size_t len;
	uint8_t *apdu = command(r, words, &len);

	if (!apdu)
		return;
	o->code = IFDHTransmitToICC(lun_now(r), pci, apdu, len, o->bytes, &n, NULL);
	o->len = n;
	free(apdu);
}

static void control(struct running *r, DWORD code, const char *words, struct outcome *o)
{
	DWORD n = 0;
	size_t len;
	uint8_t *in = command(r, words, &len);

	if (!in)
		return;
	o->code = IFDHControl(lun_now(r), code, in, len, o->bytes, ANSWER_ROOM, &n);
	o->len = n;
	free(in);
}

static void call_control(struct running *r, const char *words, struct outcome *o)
{
	char *end;
	unsigned long code = strtoul(words, &end, 16);

	if (end - words != 8)
		failed(r, r->step->line, "control is followed by a code of 8 hexadecimal digits");
	else
		control(r, code, end, o);
}

static void call_pin_verify(struct running *r, const char *words, struct outcome *o)
{
	control(r, CTL_VERIFY, words, o);
}

static void call_pin_modify(struct running *r, const char *words, struct outcome *o)
{
	control(r, CTL_MODIFY, words, o);
}

static void call_capability(struct running *r, const char *words, struct outcome *o)
{
	DWORD n = ANSWER_ROOM;

	o->code = IFDHGetCapabilities(lun_now(r), strtoul(words, NULL, 16), &n, o->bytes);
	o->len = n;
}

/* pcscd's thread that waits for a card to come or go. */
static void call_poll(struct running *r, const char *words, struct outcome *o)
{
	RESPONSECODE (*poll_slot)(DWORD lun, int timeout) = NULL;
	DWORD n = sizeof poll_slot;
	double s = strtod(words, NULL);

	o->code = IFDHGetCapabilities(lun_now(r), TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &n, (UCHAR *)&poll_slot);
	if (o->code == IFD_SUCCESS && poll_slot)
		o->code = poll_slot(lun_now(r), (int)(s * 1000));
}

static const struct {
	const char *words;
	call_fn *call;
} calls[] = {
	{ "open", call_open },
	{ "close", call_close },
	{ "presence", call_presence },
	{ "power on", call_power_on },
	{ "power off", call_power_off },
	{ "reset", call_reset },
	{ "protocol", call_protocol },
	{ "transmit", call_transmit },
	{ "control", call_control },
	{ "pin verify", call_pin_verify },
	{ "pin modify", call_pin_modify },
	{ "capability", call_capability },
	{ "poll", call_poll },
};

void field_close(struct running *r)
{
	for (unsigned i = 0; i < FIELD_LUNS; i++) {
		if (r->opened[i])
			(void)IFDHCloseChannel(r->lun_of[i]);
		r->opened[i] = false;
	}
}

/* --- results --- */

/* The code that a result names by a word or three digits; false: the result is bytes. */
static bool named_code(const char *result, RESPONSECODE *code)
{
	static const struct {
		const char *word;
		RESPONSECODE code;
	} words[] = { { "ok", IFD_SUCCESS }, { "present", IFD_ICC_PRESENT }, { "absent", IFD_ICC_NOT_PRESENT } };
	char *end;

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(result, words[i].word) == 0) {
			*code = words[i].code;
			return true;
		}
	}
	*code = strtol(result, &end, 10);
	return strlen(result) == 3 && !*end;
}

static bool result_fits(struct running *r, const struct step *s, const char *words, const struct outcome *o)
{
	const char *want = s->result ? s->result : strcmp(words, "presence") == 0 ? "present" : "ok";
	struct pattern p;
	RESPONSECODE code;
	const char *wrong;
	char hex[300];
	bool fits;

	if (strcmp(want, "failed") == 0)
		return o->code != IFD_SUCCESS || failed(r, s->line, "it did not fail");
	if (named_code(want, &code))
		return o->code == code ||
		       failed(r, s->line, "\"%s\"\n  expected: %s\n  result:   %ld", s->text, want, (long)o->code);
	wrong = pattern_parse(&p, want);
	if (wrong)
		return failed(r, s->line, "neither a code nor bytes: \"%s\"", wrong);
	fits = o->code == IFD_SUCCESS && pattern_matches(&p, o->bytes, o->len, NULL);
	pattern_free(&p);
	if (fits)
		return true;
	if (o->code != IFD_SUCCESS)
		return failed(r, s->line, "\"%s\"\n  expected: %.200s\n  result:   %ld", s->text, want, (long)o->code);
	return failed(r, s->line, "\"%s\"\n  expected: %.200s\n  result:   %s (%zu bytes)", s->text, want,
		      hex_text(hex, sizeof hex, o->bytes, o->len), o->len);
}

static bool time_fits(struct running *r, const struct step *s, uint64_t ns)
{
	if (s->within && ns > s->within)
		return failed(r, s->line, "it took %.3f s, not less than %.3f", (double)ns / 1e9,
			      (double)s->within / 1e9);
	if (ns < s->at_least)
		return failed(r, s->line, "it took %.3f s, not more than %.3f", (double)ns / 1e9,
			      (double)s->at_least / 1e9);
	return true;
}

/* --- a person --- */

static bool person_card(struct sim_dev *d, const struct running *r, const char *text)
{
	const char *card = after(text, "insert");
	char err[200];

	if (card)
		return sim_dev_insert(d, player_interface(r), r->slot, card, clock_now(), err, sizeof err);
	return after(text, "remove") && sim_dev_remove(d, player_interface(r), r->slot, clock_now());
}

/* "slot 1 is present": pcscd looks for another slot's card in the middle of a command, and gets an
 * answer at once. The caller is in libusb, where no thread could wait for a message. */
static bool other_slot_is(unsigned dev, unsigned interface, const char *text)
{
	DWORD lun = (DWORD)(dev * FIELD_INTERFACES + interface) << 16;
	RESPONSECODE want, code;
	unsigned slot;
	int n = 0;

	if (sscanf(text, "%u is %n", &slot, &n) != 1 || n == 0 || !named_code(text + n, &want))
		return false;
	fake_usb_unlock();
	code = IFDHICCPresence(lun | slot);
	fake_usb_lock();
	return code == want;
}

bool person_acts(struct running *r, unsigned dev, const char *text)
{
	struct sim_dev *d = fake_usb_dev(dev);
	const char *rest;
	char err[200];

	if (strcmp(text, "unplug") == 0) {
		sim_dev_unplug(d, clock_now());
		return true;
	}
	rest = after(text, "slot");
	if (rest)
		return other_slot_is(dev, r->interface, rest);
	if (r->replayed)
		return true;	/* the recording has the consequences */
	rest = after(text, "fault");
	if (rest)
		return sim_dev_fault(d, rest, err, sizeof err);
	rest = after(text, "keys");
	if (rest) {
		char keys[40];

		/* the OK key ends a PIN */
		snprintf(keys, sizeof keys, "%s\n", rest);
		return sim_dev_keys(d, player_interface(r), keys, clock_now());
	}
	return person_card(d, r, text);
}

/* "init", "node" or "claim", and an errno's name: the next such call fails with this errno. */
static bool system_refuses(const char *text)
{
	static const struct {
		const char *name;
		int err;
	} names[] = { { "EPERM", EPERM }, { "EACCES", EACCES }, { "ENOSPC", ENOSPC }, { "EIO", EIO },
		      { "ENOMEM", ENOMEM }, { "EMFILE", EMFILE } };
	const char *space = strchr(text, ' ');
	int err = 0;

	for (size_t i = 0; space && i < sizeof names / sizeof names[0]; i++)
		if (strcmp(space + 1, names[i].name) == 0)
			err = names[i].err;
	if (err && after(text, "init"))
		fake_usb_fail_init(1, LIBUSB_ERROR_OTHER, err);
	else if (err && after(text, "node"))
		fake_usb_fail_node(1, err);
	else if (err && after(text, "claim"))
		fake_usb_fail_claim(1, LIBUSB_ERROR_OTHER, err);
	else
		return false;
	return true;
}

/* Time, plugs and messages of the devices. *known is false for other words. */
static bool step_world(struct running *r, const struct step *s, const char *words, bool *known)
{
	const char *rest = after(words, "wait");

	*known = true;
	if (rest) {
		fake_clock_advance((uint64_t)(strtod(rest, NULL) * 1e9));
		return true;
	}
	rest = after(words, "system refuses");
	if (rest)
		return system_refuses(rest) || failed(r, s->line, "unknown refusal: \"%s\"", rest);
	if (strcmp(words, "plug") == 0) {
		fake_usb_plug(r->reader);
		return true;
	}
	if (strcmp(words, "unplug") == 0) {
		fake_usb_unplug(r->reader);
		return true;
	}
	if (strcmp(words, "usb reset") == 0) {
		fake_usb_reset(r->reader);
		return true;
	}
	if (strcmp(words, "pardon") == 0) {
		fixture_pardon();
		return true;
	}
	*known = after(words, "insert") || after(words, "remove") || after(words, "keys") || after(words, "fault");
	if (*known) {
		bool done;

		fake_usb_lock();
		done = person_acts(r, r->reader, words);
		fake_usb_unlock();
		return done || failed(r, s->line, "cannot be done: \"%s\"", words);
	}
	return false;
}

/* --- one step --- */

/* "slot 2: ...", "reader 1, slot 0: ...". Returns the words after the colon, or NULL. */
static const char *where(struct running *r, const char *text)
{
	static const char *const words[] = { "reader", "interface", "slot" };
	unsigned *const value[] = { &r->reader, &r->interface, &r->slot };
	const char *p = text;

	r->reader = r->slot = 0;
	r->interface = r->script->interface;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		const char *q = after(p, words[i]);
		int n = 0;

		if (!q || sscanf(q, "%u%n", value[i], &n) != 1)
			continue;
		p = q + n;
		if (*p != ',' && *p != ':')
			return NULL;
		p += 1 + strspn(p + 1, " ");
		if (q[n] == ':')
			break;
	}
	return r->reader < r->n_devs && r->interface < FIELD_INTERFACES && r->slot < 32 ? p : NULL;
}

static bool step_call(struct running *r, const struct step *s, const char *words, bool *known)
{
	struct outcome o = { IFD_SUCCESS, calloc(1, ANSWER_ROOM), 0 };
	uint64_t begin = clock_now();
	call_fn *call = NULL;
	const char *rest = NULL;

	for (size_t i = 0; i < sizeof calls / sizeof calls[0] && !rest; i++) {
		rest = after(words, calls[i].words);
		call = calls[i].call;
	}
	*known = rest != NULL;
	if (rest && o.bytes) {
		player_step(r, s);
		call(r, rest, &o);
		player_step_over(r);
		if (!r->failure[0] && time_fits(r, s, clock_now() - begin))
			result_fits(r, s, words, &o);
	}
	free(o.bytes);
	return !r->failure[0];
}

bool step_run(struct running *r, const struct step *s)
{
	static bool (*const kinds[])(struct running *, const struct step *, const char *, bool *) = {
		step_call, step_world, step_look,
	};
	const char *words;
	bool known, fine;

	if (s->rule) {
		if (r->n_rules == sizeof r->rule / sizeof r->rule[0])
			return failed(r, s->line, "too many rules");
		r->rule[r->n_rules++] = &s->exchange[1];
		return true;
	}
	words = where(r, s->text);
	if (!words)
		return failed(r, s->line, "no such reader, interface or slot: \"%s\"", s->text);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		fine = kinds[i](r, s, words, &known);
		if (known)
			return fine && (i == 0 || s->n_exchanges == 1 ||
					failed(r, s->line, "nothing goes over the wire in this step"));
	}
	return failed(r, s->line, "unknown step: \"%s\"", s->text);
}
