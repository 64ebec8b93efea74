/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz/fuzz_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 1024
#define COLUMNS 33

/* Rows of the table, each as the text of a simulator file. */
static struct row {
	char text[420];
	unsigned protocols, features;
	bool iccd;
} *rows;
static unsigned n_rows;

/* The name of a column in a simulator file. */
static const struct {
	unsigned column;
	const char *key;
} keys[] = {
	{ 1, "vendor" }, { 2, "product" }, { 3, "bcd" }, { 13, "voltages" }, { 14, "protocols" }, { 18, "datarate" },
	{ 19, "maxrate" }, { 21, "ifsd" }, { 24, "features" }, { 25, "maxlen" }, { 28, "lcd" }, { 29, "pinpad" },
	{ 30, "busy" }, { 9, "endpoints" }, { 7, "class" },
};

static bool take_row(struct row *r, char *line)
{
	char *column[COLUMNS] = { NULL }, *rest = line;
	unsigned long iccd;
	int n;

	for (unsigned i = 0; i < COLUMNS && rest; i++)
		column[i] = strsep(&rest, "\t\n");
	if (!column[30] || column[0][0] == '#')
		return false;
	iccd = strtoul(column[8], NULL, 0);
	r->iccd = iccd != 0;
	r->protocols = (unsigned)strtoul(column[14], NULL, 0);
	r->features = (unsigned)strtoul(column[24], NULL, 0);
	n = snprintf(r->text, sizeof r->text, "reader x\n%s", iccd == 1 ? "iccd = a\n" : iccd ? "iccd = b\n" : "");
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (column[keys[i].column][0])
			n += snprintf(r->text + n, sizeof r->text - (size_t)n, "%s = %s\n", keys[i].key,
				      column[keys[i].column]);
	snprintf(r->text + n, sizeof r->text - (size_t)n, "slots = %lu\n",
		 strtoul(column[12], NULL, 0) + 1);
	return true;
}

static void read_table(void)
{
	FILE *f = fopen(TOP_SRCDIR "/readers/reader_descriptors.tsv", "r");
	char *line = NULL;
	size_t cap = 0;

	rows = calloc(ROWS_MAX, sizeof *rows);
	if (!f || !rows || getline(&line, &cap, f) < 0)
		abort();
	while (n_rows < ROWS_MAX && getline(&line, &cap, f) > 0)
		n_rows += take_row(&rows[n_rows], line);
	free(line);
	fclose(f);
}

static struct sim_dev *build(const char *text)
{
	struct sim_dev **devs, *d;
	char err[200];

	if (sim_config_parse(text, &devs, err, sizeof err) != 1) {
		fprintf(stderr, "%s\n%s\n", text, err);
		abort();
	}
	d = devs[0];
	free(devs);
	return d;
}

/* Readers that negotiate the parameters themselves use the first protocol that the card offers. */
struct sim_dev *fuzz_reader(struct fuzz_in *in, unsigned *protocol, const char **card)
{
	unsigned number = fuzz_u16(in), protocols, n;
	uint8_t bits = fuzz_u8(in);
	const struct row *r;
	char text[600];
	bool automatic;

	if (!rows)
		read_table();
	r = &rows[number % n_rows];
	protocols = r->protocols & 3 ? r->protocols & 3 : 3;
	automatic = r->features & 0x40 || r->iccd;
	*protocol = protocols == 3 ? bits & 1 : protocols >> 1;
	*card = !automatic ? "t0t1" : *protocol ? "t1" : "t0";
	n = (unsigned)snprintf(text, sizeof text, "%scard 0 = %s\n", r->text, *card);
	if (strstr(text, "slots = 1\n") == NULL)
		n += (unsigned)snprintf(text + n, sizeof text - n, "card 1 = %s\n", *card);
	if (bits & 2)
		n += (unsigned)snprintf(text + n, sizeof text - n, "packet = 512\n");
	if (bits & 4)
		n += (unsigned)snprintf(text + n, sizeof text - n, "rates = 9600,19200,115200\n");
	if (bits & 8)
		snprintf(text + n, sizeof text - n, "zlp = off\n");
	return build(text);
}
