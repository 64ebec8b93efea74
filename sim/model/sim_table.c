/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices from the reader table: tab-separated, the first line names the columns. Rows with
 * one dump name and id, next to each other, are the interfaces of one device. The file: environment variable
 * CCID_SIM_TABLE, else the macro of that name, else readers/reader_descriptors.tsv. */
#include "sim/model/sim_dev_priv.h"

#include <stdlib.h>
#include <string.h>

#ifndef CCID_SIM_TABLE
#define CCID_SIM_TABLE "readers/reader_descriptors.tsv"
#endif
#define MAX_COLUMNS 48
#define ICCD_WAKE_UP 0x800u	/* dwFeatures of every USB ICC */
#define MAX_LINE 16384

void sim_copy_text(char *to, size_t cap, const char *from)
{
	size_t n = strlen(from);

	if (n >= cap)
		n = cap - 1;
	memcpy(to, from, n);
	to[n] = '\0';
}

unsigned sim_parse_list(const char *text, uint32_t **list)
{
	unsigned n = 0, commas = 1;

	free(*list);
	*list = NULL;
	if (!*text)
		return 0;
	for (const char *p = text; *p; p++)
		commas += *p == ',';
	*list = sim_alloc(commas * sizeof **list);
	for (const char *p = text; *p;) {
		char *end;

		(*list)[n++] = (uint32_t)strtoul(p, &end, 0);
		p = end + strcspn(end, ",");
		p += *p == ',';
	}
	return n;
}

void sim_iface_defaults(struct sim_iface_conf *f, unsigned number)
{
	memset(f, 0, sizeof *f);
	f->number = (uint8_t)number;
	f->class = 0x0B;
	f->endpoints = 3;
	f->packet = 64;
	f->bDescriptorType = 0x21;
	f->bcdCCID = 0x0110;
	f->bVoltageSupport = 7;
	f->dwProtocols = 3;
	f->dwDefaultClock = 4000;
	f->dwMaximumClock = 4000;
	f->dwDataRate = 10752;
	f->dwMaxDataRate = 344086;
	f->dwMaxIFSD = 254;
	f->dwFeatures = 0x00010030;
	f->dwMaxCCIDMessageLength = 271;
	f->bClassGetResponse = 0xFF;
	f->bClassEnvelope = 0xFF;
	f->bMaxCCIDBusySlots = 1;
}

void sim_conf_defaults(struct sim_dev_conf *c)
{
	memset(c, 0, sizeof *c);
	sim_copy_text(c->name, sizeof c->name, "sim");
	c->vendor = 0xf1f1;
	c->product = 0x0001;
	c->bcd = 0x0100;
	sim_copy_text(c->manufacturer, sizeof c->manufacturer, "ifd-ccid");
	sim_copy_text(c->product_name, sizeof c->product_name, "Simulated reader");
	c->packet_ns = 50000;
	c->n_ifaces = 1;
	sim_iface_defaults(&c->iface[0], 0);
}

void sim_conf_free(struct sim_dev_conf *c)
{
	for (unsigned i = 0; i < SIM_MAX_IFACES; i++) {
		free(c->iface[i].rates);
		free(c->iface[i].clocks);
		c->iface[i].rates = c->iface[i].clocks = NULL;
	}
}

/* --- a row --- */

struct row {
	char *text[MAX_COLUMNS];
	unsigned n;
};

static void split(struct row *r, char *line)
{
	r->n = 0;
	line[strcspn(line, "\r\n")] = '\0';
	while (line && r->n < MAX_COLUMNS) {
		char *tab = strchr(line, '\t');

		if (tab)
			*tab++ = '\0';
		r->text[r->n++] = line;
		line = tab;
	}
}

/* NULL when the row has no such cell. */
static const char *cell(const struct row *head, const struct row *r, const char *name)
{
	for (unsigned i = 0; i < head->n && i < r->n; i++) {
		if (strcmp(head->text[i], name) == 0)
			return r->text[i];
	}
	return NULL;
}

static const char *column(const struct row *head, const struct row *r, const char *name)
{
	const char *text = cell(head, r, name);

	return text ? text : "";
}

/* Checks that every column is there, with a valid cell. */
static bool is_sound(const struct row *head, const struct row *r, char *err, size_t err_cap)
{
	for (size_t i = 0; sim_column_name(i); i++) {
		const char *text = cell(head, r, sim_column_name(i));

		if (!text) {
			snprintf(err, err_cap, "no column %s", sim_column_name(i));
			return false;
		}
		if (!sim_column_allows(i, text, err, err_cap))
			return false;
	}
	return true;
}

static unsigned long number(const struct row *head, const struct row *r, const char *name)
{
	return strtoul(column(head, r, name), NULL, 0);
}

/* "2.07" is 0x0207: the digits are BCD, so they are read as hexadecimal. */
static uint16_t bcd(const char *text)
{
	char *end;
	unsigned long major = strtoul(text, &end, 16),
		      minor = *end == '.' ? strtoul(end + 1, NULL, 16) : 0;

	return (uint16_t)(major << 8 | minor);
}

/* The interface's string, unless the table gives only an index or a question mark. */
static void interface_name(char *to, size_t cap, const char *text)
{
	char *end;

	to[0] = '\0';
	(void)strtoul(text, &end, 10);
	if (*text && *end && strcmp(text, "?") != 0)
		sim_copy_text(to, cap, text);
}

static void device_from_row(struct sim_dev_conf *c, const struct row *h, const struct row *r)
{
	sim_copy_text(c->name, sizeof c->name, column(h, r, "dump"));
	c->vendor = (uint16_t)strtoul(column(h, r, "idVendor"), NULL, 16);
	c->product = (uint16_t)strtoul(column(h, r, "idProduct"), NULL, 16);
	c->bcd = bcd(column(h, r, "bcdDevice"));
	sim_copy_text(c->manufacturer, sizeof c->manufacturer, column(h, r, "iManufacturer"));
	sim_copy_text(c->product_name, sizeof c->product_name, column(h, r, "iProduct"));
	c->n_ifaces = 0;
}

static void iface_from_row(struct sim_iface_conf *f, const struct row *h, const struct row *r)
{
	sim_iface_defaults(f, (unsigned)number(h, r, "bInterfaceNumber"));
	f->class = (uint8_t)number(h, r, "bInterfaceClass");
	f->told_protocol = (uint8_t)number(h, r, "bInterfaceProtocol");
	f->endpoints = (uint8_t)number(h, r, "bNumEndpoints");
	interface_name(f->name, sizeof f->name, column(h, r, "iInterface"));
	f->bDescriptorType = (uint8_t)number(h, r, "bDescriptorType");
	f->bcdCCID = bcd(column(h, r, "bcdCCID"));
	f->bMaxSlotIndex = (uint8_t)number(h, r, "bMaxSlotIndex");
	f->bVoltageSupport = (uint8_t)number(h, r, "bVoltageSupport");
	f->dwProtocols = (uint32_t)number(h, r, "dwProtocols");
	f->dwDefaultClock = (uint32_t)number(h, r, "dwDefaultClock_kHz");
	f->dwMaximumClock = (uint32_t)number(h, r, "dwMaximumClock_kHz");
	f->bNumClockSupported = (uint8_t)number(h, r, "bNumClockSupported");
	f->dwDataRate = (uint32_t)number(h, r, "dwDataRate_bps");
	f->dwMaxDataRate = (uint32_t)number(h, r, "dwMaxDataRate_bps");
	f->bNumDataRatesSupported = (uint8_t)number(h, r, "bNumDataRatesSupported");
	f->dwMaxIFSD = (uint32_t)number(h, r, "dwMaxIFSD");
	f->dwSynchProtocols = (uint32_t)number(h, r, "dwSynchProtocols");
	f->dwMechanical = (uint32_t)number(h, r, "dwMechanical");
	f->dwFeatures = (uint32_t)number(h, r, "dwFeatures");
	f->dwMaxCCIDMessageLength = (uint32_t)number(h, r, "dwMaxCCIDMessageLength");
	f->bClassGetResponse = (uint8_t)number(h, r, "bClassGetResponse");
	f->bClassEnvelope = (uint8_t)number(h, r, "bClassEnvelope");
	f->wLcdLayout = (uint16_t)number(h, r, "wLcdLayout");
	f->bPINSupport = (uint8_t)number(h, r, "bPINSupport");
	f->bMaxCCIDBusySlots = (uint8_t)number(h, r, "bMaxCCIDBusySlots");
	/* Bulk endpoints and nothing of ICCD in dwFeatures: a CCID reader with a byte of its own. */
	f->protocol = f->endpoints >= 2 && !(f->dwFeatures & ICCD_WAKE_UP) ? SIM_CCID : f->told_protocol;
	f->n_clocks = sim_parse_list(column(h, r, "clocks_kHz"), &f->clocks);
	f->n_rates = sim_parse_list(column(h, r, "data_rates_bps"), &f->rates);
}

/* --- the file --- */

struct search {
	const char *name;	/* dump name, or NULL */
	unsigned vendor, product, index;
	char before[80];	/* dump and ids of the row before */
	unsigned number_before;
	bool found, inside;
};

/* Rows with one name and one id, the interface numbers going up, are one device. */
static bool row_wanted(struct search *s, const struct row *h, const struct row *r)
{
	const char *dump = column(h, r, "dump");
	unsigned n = (unsigned)number(h, r, "bInterfaceNumber");
	char device[80];
	bool begins, hit;

	snprintf(device, sizeof device, "%.60s %.4s:%.4s", dump, column(h, r, "idVendor"),
		 column(h, r, "idProduct"));
	begins = strcmp(device, s->before) != 0 || n <= s->number_before;
	memcpy(s->before, device, sizeof device);
	s->number_before = n;
	if (!begins)
		return s->inside;
	s->inside = false;
	if (s->name)
		hit = strcmp(dump, s->name) == 0;
	else
		hit = strtoul(column(h, r, "idVendor"), NULL, 16) == s->vendor &&
		      strtoul(column(h, r, "idProduct"), NULL, 16) == s->product;
	if (!hit || s->found || s->index-- != 0)
		return false;
	s->found = s->inside = true;
	return true;
}

/* False when a wanted row is damaged: err says where and why. */
static bool read_rows(FILE *in, struct sim_dev_conf *c, struct search *s, char *err, size_t err_cap)
{
	char *line = sim_alloc(MAX_LINE), *head_line = sim_alloc(MAX_LINE);
	struct row *head = sim_alloc(sizeof *head), *row = sim_alloc(sizeof *row);
	bool sound = true;

	while (!head->n && fgets(head_line, MAX_LINE, in)) {
		if (head_line[0] != '#')
			split(head, head_line);
	}
	while (sound && fgets(line, MAX_LINE, in)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		split(row, line);
		if (!row_wanted(s, head, row))
			continue;
		sound = is_sound(head, row, err, err_cap);
		if (c->n_ifaces == 0)
			device_from_row(c, head, row);
		if (c->n_ifaces < SIM_MAX_IFACES)
			iface_from_row(&c->iface[c->n_ifaces++], head, row);
	}
	free(line);
	free(head_line);
	free(head);
	free(row);
	return sound;
}

/* Interfaces in the order of their numbers, as a configuration has them. */
static void sort_ifaces(struct sim_dev_conf *c)
{
	for (unsigned i = 1; i < c->n_ifaces; i++) {
		for (unsigned j = i; j > 0 && c->iface[j].number < c->iface[j - 1].number; j--) {
			struct sim_iface_conf t = c->iface[j];

			c->iface[j] = c->iface[j - 1];
			c->iface[j - 1] = t;
		}
	}
}

bool sim_table_conf(struct sim_dev_conf *c, const char *which, unsigned index, char *err,
		    size_t err_cap)
{
	const char *path = getenv("CCID_SIM_TABLE");
	struct search s = { .index = index };
	char tail, fault[150];
	bool sound;
	FILE *in;

	if (sscanf(which, "%4x:%4x%c", &s.vendor, &s.product, &tail) != 2)
		s.name = which;
	if (!path)
		path = CCID_SIM_TABLE;
	in = fopen(path, "r");
	if (!in) {
		snprintf(err, err_cap, "cannot read the reader table %s", path);
		return false;
	}
	sim_conf_free(c);
	sim_conf_defaults(c);
	c->n_ifaces = 0;
	sound = read_rows(in, c, &s, fault, sizeof fault);
	fclose(in);
	if (!sound) {
		snprintf(err, err_cap, "%s: %s: %s", path, which, fault);
		return false;
	}
	if (!c->n_ifaces) {
		snprintf(err, err_cap, "no reader %s in %s", which, path);
		return false;
	}
	sort_ifaces(c);
	return true;
}

struct sim_dev *sim_dev_from_table(const char *which, char *err, size_t err_cap)
{
	struct sim_dev_conf *c = sim_alloc(sizeof *c);
	struct sim_dev *d = NULL;
	const char *hash = strchr(which, '#');
	char id[64];

	/* "08e6:3437#1": the second device with that id */
	sim_copy_text(id, sizeof id, which);
	id[strcspn(id, "#")] = '\0';
	sim_conf_defaults(c);
	if (sim_table_conf(c, id, hash ? (unsigned)strtoul(hash + 1, NULL, 10) : 0, err, err_cap))
		d = sim_dev_new(c);
	else
		sim_conf_free(c);
	free(c);
	return d;
}
