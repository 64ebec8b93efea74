/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/registry.h"

#include "slot/composite.h"
#include "slot/listed.h"
#include "slot/reader_open.h"
#include "transport/serial.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 64u

/* The one global of the driver (with the log's levels). The lock is held for moments
 * only: devices are opened and closed without it, and it never waits for a slot's lock. It is taken
 * after a slot's lock and before a transport's. */
static struct registry {
	pthread_mutex_t lock;
	pthread_cond_t changed;		/* a reader is no longer busy, a slot no longer used */
	struct slot *bucket[BUCKETS];	/* by Lun */
	struct reader *readers;
	unsigned n_readers;
	struct usb_host *host;		/* while there are readers */
	struct device_list devices;	/* has a lock of its own */
	struct usb_failures failures;	/* the same */
	bool config_loaded, config_failed;
	struct config config;
} registry = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.devices = { .lock = PTHREAD_MUTEX_INITIALIZER },
	.failures = { .lock = PTHREAD_MUTEX_INITIALIZER },
};

static struct slot **bucket_of(unsigned long lun)
{
	return &registry.bucket[(lun ^ lun >> 16 << 3) % BUCKETS];
}

static struct slot *find_slot(unsigned long lun)
{
	struct slot *s = *bucket_of(lun);

	while (s && s->lun != lun)
		s = s->next;
	return s;
}

static void add_slot(struct slot *s)
{
	struct slot **head = bucket_of(s->lun);

	s->next = *head;
	*head = s;
	s->reader->places[s->number].taken = true;
	s->reader->n_open++;
}

static void remove_slot(struct slot *s)
{
	struct slot **p = bucket_of(s->lun);

	while (*p && *p != s)
		p = &(*p)->next;
	if (*p)
		*p = s->next;
}

struct slot *registry_get(unsigned long lun)
{
	struct slot *s;

	pthread_mutex_lock(&registry.lock);
	s = find_slot(lun);
	if (s)
		s->users++;
	pthread_mutex_unlock(&registry.lock);
	return s;
}

void registry_put(struct slot *s)
{
	pthread_mutex_lock(&registry.lock);
	s->users--;
	if (s->users == 0)
		pthread_cond_broadcast(&registry.changed);
	pthread_mutex_unlock(&registry.lock);
}

/* The reader that pcscd asks for. */
struct wanted {
	unsigned long lun;
	const char *device_name;	/* NULL: the first free supported reader */
	bool usb;
	struct usb_name name;		/* USB only */
	unsigned number;		/* slot of the interface */
};

static bool has_free_slot(const struct reader *r)
{
	return r->n_open < r->n_slots;
}

/* A name with a device stands for that device, even if all its slots are open. */
static bool is_reader_wanted(const struct reader *r, const struct wanted *w)
{
	return strcmp(r->device_name, w->device_name) == 0 && r->interface == w->name.interface &&
	       (r->busy || !w->usb || w->name.node[0] != '\0' || has_free_slot(r));
}

/* Under lock: the wanted reader, if it is open and not busy. */
static struct reader *find_reader(const struct wanted *w)
{
	struct reader *r = w->device_name ? registry.readers : NULL;

	while (r && (!is_reader_wanted(r, w) || r->busy)) {
		if (is_reader_wanted(r, w)) {
			pthread_cond_wait(&registry.changed, &registry.lock);
			r = registry.readers;
		} else {
			r = r->next;
		}
	}
	return r;
}

/* Under lock: is that interface open? */
static bool is_taken(void *user, unsigned bus, unsigned address, int interface)
{
	bool taken = false;

	(void)user;
	pthread_mutex_lock(&registry.lock);
	for (struct reader *r = registry.readers; r && !taken; r = r->next)
		taken = !r->busy && r->transport->bus == bus && r->transport->address == address &&
			r->transport->desc.bInterfaceNumber == interface;
	pthread_mutex_unlock(&registry.lock);
	return taken;
}

/* user: struct listed. */
static bool is_listed(void *user, uint16_t idVendor, uint16_t idProduct)
{
	return listed_has(user, idVendor, idProduct);
}

/* Under lock: a further slot of an open reader: the wanted one, or else the first free one. */
static enum ccid_err open_further(struct reader *r, const struct wanted *w)
{
	unsigned number = w->number;
	struct slot *s;

	if (reader_is_gone(r))
		return CCID_ERR_NO_DEVICE;
	if (number >= r->n_slots || r->places[number].taken) {
		for (number = 0; number < r->n_slots && r->places[number].taken; number++)
			;
	}
	if (number >= r->n_slots)
		return CCID_ERR_NO_DEVICE;
	s = reader_new_slot(r, w->lun, number);
	if (!s)
		return CCID_ERR_NOMEM;
	add_slot(s);
	return CCID_OK;
}

static void unlink_reader(struct reader *r)
{
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	registry.n_readers--;
}

/* Under lock: the last reader takes the host and its libusb context with it. */
static struct usb_host *host_to_free(void)
{
	struct usb_host *host = registry.n_readers == 0 ? registry.host : NULL;

	if (host)
		registry.host = NULL;
	return host;
}

static void load_config(void)
{
	/* A configuration that could not be read is read again at a later opening. */
	if (registry.config_loaded && (!registry.config_failed || !config_readable()))
		return;
	registry.config_failed = config_load(&registry.config) != CCID_OK;
	registry.config_loaded = true;
	log_setup(registry.config.log_level, registry.config.log_secrets);
}

/* Under lock: a reader that is being opened, in the list so that no other thread opens it. */
static enum ccid_err begin_reader(const struct wanted *w, struct reader **out)
{
	struct reader *r = reader_new(w->device_name ? w->device_name : "usb");
	enum ccid_err err = r ? CCID_OK : CCID_ERR_NOMEM;

	*out = NULL;
	if (err == CCID_OK && w->usb && !registry.host)
		err = usb_host_new(&registry.host);
	if (err != CCID_OK) {
		reader_free(r);
		return err;
	}
	r->busy = true;
	r->interface = w->name.interface;
	r->config = registry.config;
	r->next = registry.readers;
	r->link = &registry.readers;
	if (r->next)
		r->next->link = &r->next;
	registry.readers = r;
	registry.n_readers++;
	*out = r;
	return CCID_OK;
}

/* Lock held at entry and at return, not between. r is freed; with the last reader goes the host. */
static void forget_reader(struct reader *r)
{
	struct usb_host *host;

	unlink_reader(r);
	host = host_to_free();
	/* pcscd unloads the driver now, but its memory stays: the next reader gets the new
	 * configuration. */
	if (registry.n_readers == 0 && !registry.config_failed)
		registry.config_loaded = false;
	reader_free(r);
	pthread_cond_broadcast(&registry.changed);
	if (host) {
		bool freed;

		pthread_mutex_unlock(&registry.lock);
		freed = usb_host_free(host);
		pthread_mutex_lock(&registry.lock);
		if (!freed && !registry.host)
			registry.host = host;
	}
}

/* Lock held at entry and at return, not between. */
static enum ccid_err open_new(const struct wanted *w)
{
	struct log_ctx log;
	struct listed listed = { .n = 0 };
	struct usb_open_request rq = { .name = &w->name, .log = &log, .taken = is_taken,
				       .listed = is_listed, .user = &listed,
				       .failures = &registry.failures };
	struct usb_host *host;
	struct slot *first = NULL;
	struct reader *r;
	enum ccid_err err = begin_reader(w, &r);

	if (err != CCID_OK)
		return err;
	host = registry.host;
	pthread_mutex_unlock(&registry.lock);
	log = reader_log(r, w->lun);
	err = w->name.of_class ? listed_load(&listed, config_folder()) : CCID_OK;
	if (err == CCID_OK)
		err = reader_open(r, host, &registry.devices, w->usb ? &rq : NULL, w->lun,
				  w->number, &first);
	listed_free(&listed);
	pthread_mutex_lock(&registry.lock);
	if (err != CCID_OK) {
		forget_reader(r);
		return err;
	}
	r->busy = false;
	add_slot(first);
	pthread_cond_broadcast(&registry.changed);
	return CCID_OK;
}

/* Under lock. */
static enum ccid_err understand(struct wanted *w)
{
	enum ccid_err err = CCID_OK;

	if (find_slot(w->lun)) {
		LOG(LOG_CRITICAL, NULL, "Lun %lX is open already", w->lun);
		return CCID_ERR_ARG;
	}
	if (!w->usb || !w->device_name)
		return CCID_OK;
	err = usb_name_parse(w->device_name, &w->name);
	if (err != CCID_OK) {
		LOG(LOG_CRITICAL, NULL, "device name \"%.80s\" is not understood", w->device_name);
		return err;
	}
	return composite_resolve(&w->name, &w->number, &registry.config);
}

enum ccid_err registry_open(unsigned long lun, const char *device_name)
{
	struct wanted w = {
		.lun = lun, .device_name = device_name,
		.usb = !device_name || strncmp(device_name, "usb:", 4) == 0,
		.name = { .interface = -1 }, .number = (unsigned)(lun & 0xFFFF),
	};
	struct reader *r;
	enum ccid_err err;

	pthread_mutex_lock(&registry.lock);
	load_config();
	err = understand(&w);
	if (err == CCID_OK) {
		r = find_reader(&w);
		err = r ? open_further(r, &w) : open_new(&w);
	}
	pthread_mutex_unlock(&registry.lock);
	return err;
}

/* Lock held at entry and at return, not between: no call uses the reader any more. */
static void close_reader(struct reader *r)
{
	r->busy = true;
	pthread_mutex_unlock(&registry.lock);
	reader_end(r);
	pthread_mutex_lock(&registry.lock);
	forget_reader(r);
}

enum ccid_err registry_close(unsigned long lun)
{
	struct reader *r;
	struct slot *s;
	unsigned number;

	pthread_mutex_lock(&registry.lock);
	s = find_slot(lun);
	if (!s) {
		pthread_mutex_unlock(&registry.lock);
		return CCID_ERR_NO_DEVICE;
	}
	remove_slot(s);
	r = s->reader;
	pthread_mutex_unlock(&registry.lock);

	/* A command under way ends now; then no call holds the slot. */
	transport_set_closed(r->transport, (uint8_t)s->number, true);

	pthread_mutex_lock(&registry.lock);
	while (s->users > 0)
		pthread_cond_wait(&registry.changed, &registry.lock);
	pthread_mutex_unlock(&registry.lock);
	number = s->number;
	reader_free_slot(s);
	pthread_mutex_lock(&registry.lock);
	r->places[number].taken = false;
	if (--r->n_open == 0)
		close_reader(r);
	pthread_mutex_unlock(&registry.lock);
	return CCID_OK;
}
