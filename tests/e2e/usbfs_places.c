/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usbfs_places.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROOT_HUB 0x1d6bu
/* The longest time of a call: an unanswered command is aborted, and tried again. */
#define CALL_MS 30000u

static bool read_word(const char *dir, const char *file, const char *format, unsigned *out)
{
	char path[600];
	FILE *f;
	bool ok;

	snprintf(path, sizeof path, "/sys/bus/usb/devices/%s/%s", dir, file);
	f = fopen(path, "r");
	if (!f)
		return false;
	ok = fscanf(f, format, out) == 1;
	fclose(f);
	return ok;
}

static int by_node(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->device < y->device ? -1 : x->device > y->device;
}

bool place_refresh(struct place *p)
{
	unsigned vendor;

	if (!read_word(p->port, "devnum", "%u", &p->device) || !read_word(p->port, "idVendor", "%x", &vendor) ||
	    vendor == ROOT_HUB || !read_word(p->port, "idProduct", "%x", &p->product) || p->device >= HOOK_DEVICES)
		return false;
	snprintf(p->name, sizeof p->name, "usb:%04x/%04x:libudev:0:/dev/bus/usb/001/%03u", vendor, p->product,
		 p->device);
	return true;
}

unsigned places_find(struct place *places, unsigned cap)
{
	DIR *d = opendir("/sys/bus/usb/devices");
	const struct dirent *e;
	unsigned n = 0;

	while (d && n < cap && (e = readdir(d))) {
		if (strchr(e->d_name, ':') || strlen(e->d_name) >= sizeof places[n].port)
			continue;
		strcpy(places[n].port, e->d_name);
		n += place_refresh(&places[n]);
	}
	if (d)
		closedir(d);
	qsort(places, n, sizeof *places, by_node);
	for (unsigned i = 0; i < n; i++)
		places[i].lun = (DWORD)i << 16;
	return n;
}

uint64_t place_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

void place_wrong(struct place *p, const char *what)
{
	if (p->wrong[0] == '\0')
		snprintf(p->wrong, sizeof p->wrong, "%.100s: %.90s", p->what, what);
}

RESPONSECODE place_over(struct place *p, const char *call, RESPONSECODE rc)
{
	uint64_t now = place_ms(), took = now - p->began;
	char text[80];

	if (took > CALL_MS) {
		snprintf(text, sizeof text, "%.40s took %u ms", call, (unsigned)took);
		place_wrong(p, text);
	}
	p->began = now;
	return rc;
}

RESPONSECODE place_open(struct place *p)
{
	return IFDHCreateChannelByName(p->lun, p->name);
}

RESPONSECODE place_power(const struct place *p)
{
	UCHAR atr[MAX_ATR_SIZE];
	DWORD n = sizeof atr;

	return IFDHPowerICC(p->lun, IFD_POWER_UP, atr, &n);
}

/* The card returns as many bytes as P1 and P2 say. */
RESPONSECODE place_echo(const struct place *p, uint8_t tag)
{
	uint8_t len = (uint8_t)(1 + tag % 100);
	const uint8_t apdu[] = { 0x80, 0x14, 0x00, len, len };
	SCARD_IO_HEADER pci = { 0, 0 };
	uint8_t out[128];
	DWORD n = sizeof out;
	RESPONSECODE rc = IFDHTransmitToICC(p->lun, pci, (PUCHAR)(uintptr_t)apdu, sizeof apdu, out, &n, NULL);

	if (rc != IFD_SUCCESS)
		return rc;
	return n == len + 2u && out[len] == 0x90 && out[len + 1] == 0 ? IFD_SUCCESS : IFD_COMMUNICATION_ERROR;
}

RESPONSECODE place_set_up(const struct place *p)
{
	RESPONSECODE rc = place_power(p);

	if (rc == IFD_SUCCESS)
		rc = IFDHSetProtocolParameters(p->lun, p->product & 1 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0,
					       0);
	return rc == IFD_SUCCESS ? place_echo(p, 7) : rc;
}

void place_poll(const struct place *p, int ms)
{
	RESPONSECODE (*poll)(DWORD, int);
	DWORD n = sizeof poll;

	if (IFDHGetCapabilities(p->lun, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &n, (PUCHAR)&poll) == IFD_SUCCESS)
		(void)poll(p->lun, ms);
}
