/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Simulator files. Lines of text; '#' begins a comment (at the start of a line or after a blank). A device begins with
 *
 *	reader NAME		no other device has this name; copies are NAME-2, NAME-3, ...
 *
 * and what follows says what it is, one "key = value" a line, each changing what was there before:
 *
 *	from = 08e6:3437	a row of the reader table; 08e6:3437#1 the second with that id; or a dump's name
 *	copies = N		N such devices
 *	vendor, product, bcd	numbers in hexadecimal, bcd as 0200 or 2.00
 *	name, manufacturer, serial	strings (name is iProduct)
 *	usb_us = N		microseconds a USB packet takes (50)
 *	card_speed = on|off	bytes take their time between reader and card (off)
 *	zlp = on|off		an answer of n full packets is followed by an empty one (on)
 *	interface = N		what follows is a further interface, number N (or one that "from" brought)
 *	unplugged		the device is not plugged in at first
 *	replay = FILE		answers as recorded there; its descriptors too, if the file has them
 *
 * of the interface (the first one until "interface" is used):
 *
 *	slots = N		busy = N	bMaxCCIDBusySlots
 *	level = tpdu|short|extended|char	sets the level bits of dwFeatures
 *	features = 0x000100BA	dwFeatures whole
 *	voltages = 7		bVoltageSupport
 *	protocols = 3		dwProtocols
 *	rates = 9600,19200	GET_DATA_RATES and bNumDataRatesSupported
 *	n_rates = N		bNumDataRatesSupported alone
 *	foreign = 8		an interface of that class, without a class descriptor: a disk beside the reader
 *	datarate, maxrate = bps	dwDataRate, dwMaxDataRate
 *	maxlen = N		dwMaxCCIDMessageLength	ifsd = N	dwMaxIFSD
 *	clock = kHz		class = 0x0B|0xFF	iccd = a|b
 *	pinpad = 3		bPINSupport		lcd = 0x0210	wLcdLayout
 *	endpoints = 0..3	packet = 64|512		wMaxPacketSize
 *	chains = 1		takes extended APDUs in parts although dwFeatures says short APDU
 *	card 0 = SPEC		a card in slot 0 of this interface (words as in card_spec.c)
 *	card 0 = vpcd:PORT ...	a card that another program brings (host_foreign.c)
 *	card 0 = pcsc:READER	one of another reader
 *	fault = SPEC		as in sim_fault.c
 */
#include "sim/model/sim_dev_priv.h"
#include "sim/model/sim_replay.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CARDS 512
#define MAX_FAULTS 32

struct card_line {
	unsigned iface, slot;
	char *spec;
};

/* The device being read. */
struct draft {
	struct sim_dev_conf conf;
	unsigned line;			/* of its "reader" */
	unsigned iface;			/* index of the current one */
	unsigned copies;
	bool unplugged;
	struct card_line card[MAX_CARDS];
	unsigned n_cards;
	char *fault[MAX_FAULTS];
	unsigned n_faults;
	char *replay;			/* a file; NULL: none */
};

struct reading {
	struct draft *draft;		/* NULL before the first "reader" */
	struct sim_dev **devs;
	unsigned n_devs, line;
	char *err;
	size_t err_cap;
};

static bool bad(struct reading *r, const char *what, const char *which)
{
	snprintf(r->err, r->err_cap, "line %u: %s: %s", r->line, what, which);
	return false;
}

/* --- values --- */

enum kind { U8, U16, U32, HEX16, TEXT, DEVICE_BOOL };

struct key {
	const char *name;
	enum kind kind;
	bool device;		/* of the device, not of an interface */
	size_t offset;
};

#define DEV(field) offsetof(struct sim_dev_conf, field)
#define IFC(field) offsetof(struct sim_iface_conf, field)

static const struct key keys[] = {
	{ "vendor", HEX16, true, DEV(vendor) },
	{ "product", HEX16, true, DEV(product) },
	{ "name", TEXT, true, DEV(product_name) },
	{ "manufacturer", TEXT, true, DEV(manufacturer) },
	{ "serial", TEXT, true, DEV(serial) },
	{ "card_speed", DEVICE_BOOL, true, DEV(card_speed) },
	{ "busy", U8, false, IFC(bMaxCCIDBusySlots) },
	{ "features", U32, false, IFC(dwFeatures) },
	{ "voltages", U8, false, IFC(bVoltageSupport) },
	{ "protocols", U32, false, IFC(dwProtocols) },
	{ "datarate", U32, false, IFC(dwDataRate) },
	{ "maxrate", U32, false, IFC(dwMaxDataRate) },
	{ "maxlen", U32, false, IFC(dwMaxCCIDMessageLength) },
	{ "ifsd", U32, false, IFC(dwMaxIFSD) },
	{ "class", U8, false, IFC(class) },
	{ "pinpad", U8, false, IFC(bPINSupport) },
	{ "lcd", U16, false, IFC(wLcdLayout) },
	{ "mechanical", U32, false, IFC(dwMechanical) },
	{ "chains", U8, false, IFC(chains) },
	{ "n_rates", U8, false, IFC(bNumDataRatesSupported) },
	{ "foreign", U8, false, IFC(foreign) },
};

static bool to_number(const char *text, int base, unsigned long max, unsigned long *v)
{
	char *end;

	*v = strtoul(text, &end, base);
	return *text && *text != '-' && !*end && *v <= max;
}

static bool to_bool(const char *text, bool *v)
{
	*v = strcmp(text, "on") == 0;
	return *v || strcmp(text, "off") == 0;
}

static bool store(struct draft *t, const struct key *k, const char *value)
{
	uint8_t *at =
		(k->device ? (uint8_t *)&t->conf : (uint8_t *)&t->conf.iface[t->iface]) + k->offset;
	unsigned long max = k->kind == U8 ? 0xFF : k->kind == U32 ? 0xFFFFFFFF : 0xFFFF, v;

	if (k->kind == TEXT) {
		sim_copy_text((char *)at, 64, value);
		return true;
	}
	if (k->kind == DEVICE_BOOL)
		return to_bool(value, (bool *)at);
	if (!to_number(value, k->kind == HEX16 ? 16 : 0, max, &v))
		return false;
	if (k->kind == U8)
		*at = (uint8_t)v;
	else if (k->kind == U32)
		*(uint32_t *)(void *)at = (uint32_t)v;
	else
		*(uint16_t *)(void *)at = (uint16_t)v;
	return true;
}

/* --- keys that need more than storing --- */

static bool key_from(struct reading *r, const char *value)
{
	const char *hash = strchr(value, '#');
	char id[64], name[64];

	sim_copy_text(id, sizeof id, value);
	id[strcspn(id, "#")] = '\0';
	sim_copy_text(name, sizeof name, r->draft->conf.name);
	if (!sim_table_conf(&r->draft->conf, id, hash ? (unsigned)strtoul(hash + 1, NULL, 10) : 0,
			    r->err, r->err_cap)) {
		char why[160];

		sim_copy_text(why, sizeof why, r->err);
		return bad(r, "from", why);
	}
	sim_copy_text(r->draft->conf.name, sizeof name, name);
	r->draft->iface = 0;
	return true;
}

static bool key_copies(struct reading *r, const char *value)
{
	unsigned long v;

	if (!to_number(value, 10, 1000, &v) || v == 0)
		return bad(r, "copies must be 1 to 1000", value);
	r->draft->copies = (unsigned)v;
	return true;
}

static bool key_bcd(struct reading *r, const char *value)
{
	unsigned major = 0, minor = 0;

	if (strchr(value, '.') ? sscanf(value, "%x.%x", &major, &minor) != 2 :
				 sscanf(value, "%x", &minor) != 1)
		return bad(r, "bad bcd", value);
	r->draft->conf.bcd = (uint16_t)(major << 8 | minor);
	return true;
}

static bool key_usb_us(struct reading *r, const char *value)
{
	unsigned long v;

	if (!to_number(value, 10, 1000000, &v))
		return bad(r, "bad usb_us", value);
	r->draft->conf.packet_ns = v * 1000;
	return true;
}

static bool key_zlp(struct reading *r, const char *value)
{
	bool on;

	if (!to_bool(value, &on))
		return bad(r, "zlp is on or off", value);
	r->draft->conf.no_zlp = !on;
	return true;
}

static bool key_interface(struct reading *r, const char *value)
{
	struct sim_dev_conf *c = &r->draft->conf;
	unsigned long v;
	unsigned i;

	if (!to_number(value, 10, 31, &v))
		return bad(r, "bad interface number", value);
	for (i = 0; i < c->n_ifaces && c->iface[i].number != v; i++)
		;
	if (i == c->n_ifaces) {
		if (i == SIM_MAX_IFACES)
			return bad(r, "too many interfaces", value);
		if (v < c->iface[i - 1].number)
			return bad(r, "interfaces go upwards", value);
		sim_iface_defaults(&c->iface[i], (unsigned)v);
		c->n_ifaces++;
	}
	r->draft->iface = i;
	return true;
}

static bool key_slots(struct reading *r, const char *value)
{
	unsigned long v;

	if (!to_number(value, 10, SIM_MAX_SLOTS, &v) || v == 0)
		return bad(r, "slots must be 1 to 256", value);
	r->draft->conf.iface[r->draft->iface].bMaxSlotIndex = (uint8_t)(v - 1);
	return true;
}

static bool key_level(struct reading *r, const char *value)
{
	static const struct {
		const char *name;
		uint32_t bits;
	} levels[] = {
		{ "char", 0 }, { "tpdu", 0x10000 }, { "short", 0x20000 }, { "extended", 0x40000 }
	};
	struct sim_iface_conf *f = &r->draft->conf.iface[r->draft->iface];

	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		if (strcmp(levels[i].name, value) == 0) {
			f->dwFeatures = (f->dwFeatures & ~0x70000u) | levels[i].bits;
			return true;
		}
	}
	return bad(r, "unknown level", value);
}

static bool key_rates(struct reading *r, const char *value)
{
	struct sim_iface_conf *f = &r->draft->conf.iface[r->draft->iface];

	f->n_rates = sim_parse_list(value, &f->rates);
	f->bNumDataRatesSupported = (uint8_t)f->n_rates;
	return true;
}

static bool key_clock(struct reading *r, const char *value)
{
	struct sim_iface_conf *f = &r->draft->conf.iface[r->draft->iface];
	unsigned long v;

	if (!to_number(value, 10, 1000000, &v))
		return bad(r, "bad clock", value);
	f->dwDefaultClock = f->dwMaximumClock = (uint32_t)v;
	return true;
}

static bool key_iccd(struct reading *r, const char *value)
{
	struct sim_iface_conf *f = &r->draft->conf.iface[r->draft->iface];
	bool a = strcmp(value, "a") == 0;

	if (!a && strcmp(value, "b") != 0)
		return bad(r, "iccd is a or b", value);
	f->protocol = f->told_protocol = a ? SIM_ICCD_A : SIM_ICCD_B;
	f->endpoints = 0;
	/* version A knows the character level only (ICCD 1.0) */
	f->dwFeatures = a ? f->dwFeatures & ~0x70000u : (f->dwFeatures & ~0x70000u) | 0x40000;
	return true;
}

static bool key_endpoints(struct reading *r, const char *value)
{
	unsigned long v;

	if (!to_number(value, 10, 3, &v))
		return bad(r, "endpoints must be 0 to 3", value);
	r->draft->conf.iface[r->draft->iface].endpoints = (uint8_t)v;
	return true;
}

static bool key_packet(struct reading *r, const char *value)
{
	unsigned long v;

	if (!to_number(value, 10, 1024, &v) || v < 8)
		return bad(r, "packet must be 8 to 1024", value);
	r->draft->conf.iface[r->draft->iface].packet = (uint16_t)v;
	return true;
}

static bool key_fault(struct reading *r, const char *value)
{
	if (r->draft->n_faults == MAX_FAULTS)
		return bad(r, "too many faults", value);
	r->draft->fault[r->draft->n_faults++] = sim_dup(value, strlen(value) + 1);
	return true;
}

static bool key_card(struct reading *r, const char *slot, const char *value)
{
	struct draft *t = r->draft;
	unsigned long v;

	if (!to_number(slot, 10, SIM_MAX_SLOTS - 1, &v) || t->n_cards == MAX_CARDS)
		return bad(r, "bad slot for a card", slot);
	t->card[t->n_cards++] =
		(struct card_line){ t->iface, (unsigned)v, sim_dup(value, strlen(value) + 1) };
	return true;
}

/* What the recording says of the reader, or the table does by the ids that it names, unless lines above did. */
static bool key_replay(struct reading *r, const char *value)
{
	struct sim_dev_conf *c = &r->draft->conf;
	char why[300], id[16];
	bool known = c->vendor != 0xf1f1;
	struct sim_recording *rec;

	rec = sim_recording_read(value, known ? c->vendor : 0, known ? c->product : 0, why, sizeof why);
	if (!rec) {
		snprintf(r->err, r->err_cap, "line %u: replay: %s: %s", r->line, value, why);
		return false;
	}
	free(r->draft->replay);
	r->draft->replay = sim_dup(value, strlen(value) + 1);
	snprintf(id, sizeof id, "%04x:%04x", rec->vendor, rec->product);
	if (!sim_recording_conf(rec, c) && !known && rec->vendor) {
		struct sim_dev_conf *row = sim_alloc(sizeof *row);

		if (sim_table_conf(row, id, 0, why, sizeof why)) {
			sim_copy_text(row->name, sizeof row->name, c->name);
			sim_conf_free(c);
			*c = *row;
		} else {
			sim_conf_free(row);
		}
		free(row);
	}
	r->draft->iface = 0;
	sim_recording_free(rec);
	return true;
}

static const struct {
	const char *name;
	bool (*set)(struct reading *r, const char *value);
} special[] = {
	{ "from", key_from },	  { "copies", key_copies }, { "bcd", key_bcd },
	{ "usb_us", key_usb_us }, { "zlp", key_zlp },	    { "interface", key_interface },
	{ "slots", key_slots },	  { "level", key_level },   { "rates", key_rates },
	{ "clock", key_clock },	  { "iccd", key_iccd },	    { "endpoints", key_endpoints },
	{ "packet", key_packet }, { "fault", key_fault }, { "replay", key_replay },
};

/* --- devices --- */

static void draft_free(struct draft *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->n_cards; i++)
		free(t->card[i].spec);
	for (unsigned i = 0; i < t->n_faults; i++)
		free(t->fault[i]);
	free(t->replay);
	sim_conf_free(&t->conf);
	free(t);
}

static struct sim_dev *make_copy(struct reading *r, unsigned nr)
{
	struct draft *t = r->draft;
	struct sim_dev_conf *c = sim_dup(&t->conf, sizeof *c);
	struct sim_dev *d;
	char why[160] = "";

	for (unsigned i = 0; i < c->n_ifaces; i++) {
		struct sim_iface_conf *f = &c->iface[i];

		f->rates = f->rates ? sim_dup(f->rates, f->n_rates * sizeof *f->rates) : NULL;
		f->clocks = f->clocks ? sim_dup(f->clocks, f->n_clocks * sizeof *f->clocks) : NULL;
	}
	if (nr)
		snprintf(c->name, sizeof c->name, "%.50s-%u", t->conf.name, nr + 1);
	d = sim_dev_new(c);
	free(c);
	for (unsigned i = 0; i < t->n_cards && !why[0]; i++)
		(void)sim_dev_insert(d, t->card[i].iface, t->card[i].slot, t->card[i].spec, 0, why,
				     sizeof why);
	for (unsigned i = 0; i < t->n_faults && !why[0]; i++)
		(void)sim_dev_fault(d, t->fault[i], why, sizeof why);
	if (t->replay && !why[0]) {
		struct sim_recording *rec = sim_recording_read(t->replay, d->conf.vendor, d->conf.product, why,
							     sizeof why);

		if (rec)
			sim_replay_begin(d, rec);
	}
	if (why[0]) {
		sim_dev_free(d);
		bad(r, t->conf.name, why);
		return NULL;
	}
	if (t->unplugged)
		sim_dev_unplug(d, 0);
	return d;
}

/* The program's commands name a reader, so that each has a name of its own. */
static bool is_name_free(struct reading *r, const char *name)
{
	for (unsigned i = 0; i < r->n_devs; i++) {
		if (strcmp(sim_dev_name(r->devs[i]), name) == 0) {
			r->line = r->draft->line;
			return bad(r, "another reader has this name", name);
		}
	}
	return true;
}

/* Ends the device being read and makes it, as often as it said. */
static bool finish(struct reading *r)
{
	bool ok = true;

	if (!r->draft)
		return true;
	for (unsigned i = 0; i < r->draft->copies && ok; i++) {
		struct sim_dev *d = make_copy(r, i);

		ok = d && is_name_free(r, sim_dev_name(d));
		if (!ok) {
			sim_dev_free(d);
			break;
		}
		r->devs = realloc(r->devs, (r->n_devs + 1) * sizeof *r->devs);
		if (!r->devs)
			abort();
		r->devs[r->n_devs++] = d;
	}
	draft_free(r->draft);
	r->draft = NULL;
	return ok;
}

static bool begin(struct reading *r, const char *name)
{
	if (!finish(r))
		return false;
	if (!*name)
		return bad(r, "a reader needs a name", "");
	r->draft = sim_alloc(sizeof *r->draft);
	sim_conf_defaults(&r->draft->conf);
	r->draft->copies = 1;
	r->draft->line = r->line;
	sim_copy_text(r->draft->conf.name, sizeof r->draft->conf.name, name);
	return is_name_free(r, r->draft->conf.name);
}

/* --- lines --- */

static char *trim(char *s)
{
	char *end;

	s += strspn(s, " \t");
	end = s + strlen(s);
	while (end > s && strchr(" \t\r\n", end[-1]))
		end--;
	*end = '\0';
	return s;
}

static bool assign(struct reading *r, const char *key, const char *value)
{
	if (strncmp(key, "card", 4) == 0 && (key[4] == ' ' || key[4] == '\t'))
		return key_card(r, key + 4 + strspn(key + 4, " \t"), value);
	for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
		if (strcmp(special[i].name, key) == 0)
			return special[i].set(r, value);
	}
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		if (strcmp(keys[i].name, key) == 0)
			return store(r->draft, &keys[i], value) || bad(r, key, value);
	}
	return bad(r, "unknown key", key);
}

static bool read_line(struct reading *r, char *line)
{
	char *equals, *value = NULL, *p;

	for (p = line; *p; p++) {
		if (*p == '#' && (p == line || p[-1] == ' ' || p[-1] == '\t')) {
			*p = '\0';
			break;
		}
	}
	line = trim(line);
	if (!*line)
		return true;
	if (strncmp(line, "reader", 6) == 0 && strchr(" \t", line[6]))
		return begin(r, trim(line + 6));
	if (!r->draft)
		return bad(r, "before the first \"reader\"", line);
	equals = strchr(line, '=');
	if (!equals) {
		if (strcmp(line, "unplugged") != 0)
			return bad(r, "neither \"key = value\" nor a known word", line);
		r->draft->unplugged = true;
		return true;
	}
	*equals = '\0';
	value = trim(equals + 1);
	return assign(r, trim(line), value);
}

int sim_config_parse(const char *text, struct sim_dev ***devs, char *err, size_t err_cap)
{
	struct reading r = { .err = err, .err_cap = err_cap };
	char *copy = sim_dup(text, strlen(text) + 1), *p = copy;
	bool ok = true;

	while (ok && p) {
		char *nl = strchr(p, '\n');

		if (nl)
			*nl++ = '\0';
		r.line++;
		ok = read_line(&r, p);
		p = nl;
	}
	ok = ok && finish(&r);
	free(copy);
	draft_free(r.draft);
	*devs = NULL;
	if (!ok) {
		for (unsigned i = 0; i < r.n_devs; i++)
			sim_dev_free(r.devs[i]);
		free(r.devs);
		return -1;
	}
	*devs = r.devs;
	return (int)r.n_devs;
}
