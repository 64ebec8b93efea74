/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the readers of PC/SC to their places on the bus. A reader is connected to once, without its
 * card, when it is first seen: that tells its place; after that only states are asked for. */
#include "tools/list.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Of SCardControl(): "1-2.4:1.0", the name of the interface in sysfs. No card is needed. */
#define CODE_USB_PATH SCARD_CTL_CODE(3601)
#define CHANNEL_USB   0x0020u
/* The number of readers that pcscd 1.9 can wait for at once. */
#define WAIT_MAX     16
#define WAIT_MS	     500
/* The number of times, half a second apart, that a reader is asked for its place, which it may not
 * have. */
#define ASK_MAX 10
#define NOTIFICATION "\\\\?PnP?\\Notification"

/* --- the bus --- */

static bool list_take_device(void *user, const struct bus_device *device)
{
	struct list *l = user;

	if (device->n_faces && l->n_devices < LIST_DEVICES)
		l->device[l->n_devices++] = *device;
	return false;
}

static const struct bus_device *device_at(const struct list *l, unsigned bus, unsigned address)
{
	for (unsigned i = 0; i < l->n_devices; i++)
		if (l->device[i].bus == bus && l->device[i].address == address)
			return &l->device[i];
	return NULL;
}

static const struct bus_device *device_in(const struct list *l, const char *port)
{
	for (unsigned i = 0; i < l->n_devices; i++)
		if (strcmp(l->device[i].port, port) == 0)
			return &l->device[i];
	return NULL;
}

/* The only device on the bus that has this name in a driver's list. */
static const struct bus_device *device_named(const struct list *l, const char *name)
{
	const struct bus_device *found = NULL;

	for (unsigned i = 0; i < l->n_devices; i++) {
		const struct bus_device *device = &l->device[i];
		const struct bundle *b =
			bundles_winner(&l->bundles, device->vendor, device->product);

		if (!b || !bundle_names(b, device->vendor, device->product, name))
			continue;
		if (found)
			return NULL;
		found = device;
	}
	return found;
}

/* --- the place of a reader --- */

/* pcscd's names end in two numbers, of the reader and of its slot: "NAME 01 00". */
static bool numbers_of(const char *name, unsigned *reader, unsigned *slot)
{
	size_t n = strlen(name);
	char *end;

	if (n < 6 || name[n - 3] != ' ' || name[n - 6] != ' ')
		return false;
	*reader = (unsigned)strtoul(name + n - 5, &end, 16);
	if (end != name + n - 3)
		return false;
	*slot = (unsigned)strtoul(name + n - 2, &end, 16);
	return *end == '\0';
}

/* "1-2.4:1.0": port, configuration, interface. */
static bool take_path(struct list_row *row, const char *path)
{
	const char *colon = strchr(path, ':'), *point = colon ? strchr(colon, '.') : NULL;
	char *end;
	unsigned long interface;

	if (!point || (size_t)(colon - path) >= sizeof row->port)
		return false;
	interface = strtoul(point + 1, &end, 10);
	if (*end || end == point + 1 || interface > 255)
		return false;
	snprintf(row->port, sizeof row->port, "%.*s", (int)(colon - path), path);
	row->interface = (int)interface;
	return true;
}

static void ask_place(struct list *l, struct list_row *row)
{
	unsigned char value[100] = {0};
	DWORD len = 0, protocol;
	uint32_t channel;
	SCARDHANDLE card;

	if (l->pcsc.connect(l->context, row->name, SCARD_SHARE_DIRECT, 0, &card, &protocol) != 0)
		return;
	if (l->pcsc.control(card, CODE_USB_PATH, NULL, 0, value, sizeof value - 1, &len) != 0 ||
	    !take_path(row, (const char *)value)) {
		len = sizeof value;
		if (l->pcsc.get_attrib(card, SCARD_ATTR_CHANNEL_ID, value, &len) == 0 &&
		    len >= sizeof channel) {
			memcpy(&channel, value, sizeof channel);
			row->bus = channel >> 16 == CHANNEL_USB ? channel >> 8 & 0xFF : 0;
			row->address = row->bus ? channel & 0xFF : 0;
		}
	}
	l->pcsc.disconnect(card, SCARD_LEAVE_CARD);
}

/* A driver that does not tell the interface: readers of one device come in the order of its
 * interfaces. */
static int guess_interface(const struct list *l, const struct list_row *row,
			   const struct bus_device *device)
{
	unsigned mine, other, slot, rank = 0;

	if (device->n_faces == 1)
		return device->face[0].desc.bInterfaceNumber;
	if (!numbers_of(row->name, &mine, &slot))
		return -1;
	for (unsigned i = 0; i < l->n; i++) {
		const struct list_row *one = &l->row[i];

		if (one->bus == row->bus && one->address == row->address &&
		    numbers_of(one->name, &other, &slot) && slot == 0 && other < mine)
			rank++;
	}
	return rank < device->n_faces ? device->face[rank].desc.bInterfaceNumber : -1;
}

static const struct ccid_desc *desc_of(const struct bus_device *device, int interface)
{
	for (unsigned i = 0; i < device->n_faces; i++)
		if (device->face[i].desc.bInterfaceNumber == interface)
			return &device->face[i].desc;
	return &device->face[0].desc;
}

static void list_describe(struct list *l, struct list_row *row, const struct bus_device *device)
{
	const struct bundle *b = bundles_winner(&l->bundles, device->vendor, device->product);
	const struct ccid_desc *desc = desc_of(device, row->interface);
	const char *version = b ? plist_get(b->plist, "CFBundleVersion", 0) : NULL;

	strcpy(row->port, device->port);
	strcpy(row->serial, device->serial);
	strcpy(row->device, device->title);
	snprintf(row->firmware, sizeof row->firmware, "%x.%02x", device->version >> 8,
		 device->version & 0xFFu);
	if (b)
		snprintf(row->driver, sizeof row->driver, "%s%s%.20s", b->name, version ? " " : "",
			 version ? version : "");
	row->level = bus_level(desc);
	row->rate = desc->dwDataRate;
	row->max_rate = desc->dwMaxDataRate;
	if (row->interface >= 0 && row->slot >= 0)
		snprintf(row->key, sizeof row->key, "%s/%d/%d", device->port, row->interface,
			 row->slot);
}

static void place(struct list *l, struct list_row *row)
{
	const struct bus_device *device;
	unsigned reader, slot;

	if (row->port[0])
		device = device_in(l, row->port);
	else if (row->address)
		device = device_at(l, row->bus, row->address);
	else
		device = device_named(l, row->name);
	row->port[0] = '\0';
	if (!device)
		return;
	row->bus = device->bus;
	row->address = device->address;
	if (row->slot < 0 && numbers_of(row->name, &reader, &slot))
		row->slot = (int)slot;
	if (row->interface < 0)
		row->interface = guess_interface(l, row, device);
	list_describe(l, row, device);
}

/* --- states --- */

static enum list_card card_of(DWORD state)
{
	if (state & (SCARD_STATE_UNKNOWN | SCARD_STATE_UNAVAILABLE))
		return LIST_UNKNOWN;
	if (state & SCARD_STATE_MUTE)
		return LIST_MUTE;
	if (!(state & SCARD_STATE_PRESENT))
		return LIST_NONE;
	if (state & SCARD_STATE_EXCLUSIVE)
		return LIST_EXCLUSIVE;
	return state & SCARD_STATE_INUSE ? LIST_SHARED : LIST_PRESENT;
}

/* True: what is shown of it has changed. */
static bool take_state(struct list *l, struct list_row *row)
{
	SCARD_READERSTATE state = {.szReader = row->name};
	enum list_card before = row->card;
	char atr[sizeof row->atr] = "";

	if (l->pcsc.get_status_change(l->context, 0, &state, 1) != SCARD_S_SUCCESS)
		return false;
	for (DWORD i = 0; i < state.cbAtr && i < MAX_ATR_SIZE; i++)
		snprintf(atr + 2 * i, 3, "%02X", state.rgbAtr[i]);
	row->state = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
	row->card = card_of(state.dwEventState);
	if (row->card == before && strcmp(atr, row->atr) == 0)
		return false;
	strcpy(row->atr, atr);
	return true;
}

/* --- rows --- */

static struct list_row *find_row(struct list *l, const char *name)
{
	for (unsigned i = 0; i < l->n; i++)
		if (strcmp(l->row[i].name, name) == 0)
			return &l->row[i];
	return NULL;
}

/* By key, those without one by name behind them; numbers in both count as numbers. */
static int compare_rows(const void *a, const void *b)
{
	const struct list_row *x = a, *y = b;

	if (!x->key[0] != !y->key[0])
		return x->key[0] ? -1 : 1;
	return strverscmp(x->key[0] ? x->key : x->name, y->key[0] ? y->key : y->name);
}

/* The same name, but another device: it was plugged out and in. */
static bool is_another(const struct list *l, const struct list_row *row)
{
	const struct bus_device *device;

	if (!row->port[0])
		return false;
	device = device_at(l, row->bus, row->address);
	return !device || strcmp(device->port, row->port) != 0;
}

/* Marks what is there; new ones get a row, whose place is not known yet: port is "". */
static void take_name(struct list *l, const char *name, list_event *event, void *user)
{
	struct list_row *row = find_row(l, name);

	if (row && is_another(l, row)) {
		event(user, row, "removed");
		*row = l->row[--l->n];
		row = NULL;
	}
	if (!row && l->n < LIST_MAX) {
		row = &l->row[l->n++];
		*row = (struct list_row){
			.interface = -1, .slot = -1, .card = LIST_UNKNOWN, .level = ""};
		snprintf(row->name, sizeof row->name, "%.127s", name);
	}
	/* The bus and pcscd do not change at the same time. */
	if (row && !row->level[0] && row->asked++ < ASK_MAX)
		ask_place(l, row);
	if (row)
		row->seen = true;
}

static LONG take_names(struct list *l, list_event *event, void *user)
{
	size_t cap = (size_t)LIST_MAX * 128;
	char *names = calloc(1, cap + 1);
	DWORD len = (DWORD)cap;
	LONG rv = names ? l->pcsc.list_readers(l->context, NULL, names, &len) : SCARD_E_NO_MEMORY;

	for (unsigned i = 0; i < l->n; i++)
		l->row[i].seen = false;
	if (rv == SCARD_S_SUCCESS)
		for (const char *name = names; *name; name += strlen(name) + 1)
			take_name(l, name, event, user);
	free(names);
	return rv == SCARD_E_NO_READERS_AVAILABLE ? SCARD_S_SUCCESS : rv;
}

static void drop_unseen(struct list *l, list_event *event, void *user)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < l->n; i++) {
		if (!l->row[i].seen)
			event(user, &l->row[i], "removed");
		else if (kept++ != i)
			l->row[kept - 1] = l->row[i];
	}
	l->n = kept;
}

static LONG connect_pcscd(struct list *l)
{
	LONG rv = SCARD_S_SUCCESS;

	if (!l->connected)
		rv = l->pcsc.establish_context(SCARD_SCOPE_SYSTEM, NULL, NULL, &l->context);
	l->connected = rv == SCARD_S_SUCCESS;
	return rv;
}

bool list_update(struct list *l, list_event *event, void *user, LONG *rv)
{
	l->n_devices = 0;
	bus_each(&l->root, list_take_device, l);
	*rv = connect_pcscd(l);
	if (*rv == SCARD_S_SUCCESS)
		*rv = take_names(l, event, user);
	drop_unseen(l, event, user);
	if (*rv != SCARD_S_SUCCESS) {
		list_end(l);
		return false;
	}
	for (unsigned i = 0; i < l->n; i++) {
		struct list_row *row = &l->row[i];
		bool is_new = !row->told, is_placed = !row->level[0];

		if (!row->level[0])
			place(l, row);
		is_placed = is_placed && row->level[0];
		row->told = true;
		if (take_state(l, row) || is_new || is_placed)
			event(user, row, is_new ? "added" : "changed");
	}
	qsort(l->row, l->n, sizeof l->row[0], compare_rows);
	return true;
}

void list_wait(struct list *l)
{
	SCARD_READERSTATE states[WAIT_MAX];
	DWORD n = 0;

	if (!l->connected) {
		nanosleep(&(struct timespec){.tv_nsec = WAIT_MS * 1000000L}, NULL);
		return;
	}
	memset(states, 0, sizeof states);
	states[n++].szReader = NOTIFICATION;
	for (unsigned i = 0; i < l->n && n < WAIT_MAX; i++) {
		states[n].szReader = l->row[i].name;
		states[n++].dwCurrentState = l->row[i].state;
	}
	/* An error returns at once, which must not become a busy loop. */
	if (l->pcsc.get_status_change(l->context, WAIT_MS, states, n) != SCARD_S_SUCCESS)
		nanosleep(&(struct timespec){.tv_nsec = 20 * 1000000L}, NULL);
}

void list_end(struct list *l)
{
	if (l->connected)
		l->pcsc.release_context(l->context);
	l->connected = false;
}
