/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/registry.h"

#include "slot/reader.h"
#include "transport/serial.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 64u

/* The one global of the driver (with the log's levels). The lock is held for moments
 * only: devices are opened and closed without it. It is taken before every other lock. */
static struct registry {
	pthread_mutex_t lock;
	pthread_cond_t changed;		/* a reader is no longer busy, a slot no longer used */
	struct slot *bucket[BUCKETS];	/* by Lun */
	struct reader *readers;
	unsigned n_readers;
	struct usb_host *host;		/* while there are readers */
	bool config_loaded;
	struct config config;
} registry = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
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
	s->reader->slots[s->number] = s;
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

/* Under lock: the reader of that name, when it is settled. */
static struct reader *find_reader(const char *device_name)
{
	struct reader *r = registry.readers;

	while (r) {
		if (strcmp(r->device_name, device_name) != 0) {
			r = r->next;
		} else if (r->busy) {
			pthread_cond_wait(&registry.changed, &registry.lock);
			r = registry.readers;
		} else {
			return r;
		}
	}
	return NULL;
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

/* Under lock: a further slot of an open reader, the one the Lun names or else the first free one. */
static enum ccid_err open_further(struct reader *r, unsigned long lun)
{
	unsigned number = (unsigned)(lun & 0xFFFF);
	struct slot *s;

	if (reader_is_gone(r))
		return CCID_ERR_NO_DEVICE;
	if (number >= r->n_slots || r->slots[number]) {
		for (number = 0; number < r->n_slots && r->slots[number]; number++)
			;
	}
	if (number >= r->n_slots)
		return CCID_ERR_NO_DEVICE;
	s = reader_new_slot(r, lun, number);
	if (!s)
		return CCID_ERR_NOMEM;
	add_slot(s);
	return CCID_OK;
}

static void unlink_reader(struct reader *r)
{
	struct reader **p = &registry.readers;

	while (*p && *p != r)
		p = &(*p)->next;
	if (*p)
		*p = r->next;
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
	if (registry.config_loaded)
		return;
	config_load(&registry.config);
	log_setup(registry.config.log_level, registry.config.log_secrets);
	registry.config_loaded = true;
}

/* Under lock: a reader that is being opened, in the list so that nobody else opens it. */
static enum ccid_err begin_reader(const char *device_name, bool usb, struct reader **out)
{
	struct reader *r = calloc(1, sizeof *r);
	enum ccid_err err = CCID_OK;

	*out = NULL;
	if (r)
		r->device_name = strdup(device_name);
	if (!r || !r->device_name)
		err = CCID_ERR_NOMEM;
	if (err == CCID_OK && usb && !registry.host)
		err = usb_host_new(&registry.host);
	if (err != CCID_OK) {
		reader_free(r);
		return err;
	}
	r->busy = true;
	r->config = registry.config;
	r->next = registry.readers;
	registry.readers = r;
	registry.n_readers++;
	*out = r;
	return CCID_OK;
}

/* Lock held at entry and at return, not between. */
static enum ccid_err open_new(unsigned long lun, const char *device_name, const struct usb_name *name)
{
	struct log_ctx log;
	struct usb_open_request rq = { .name = name, .log = &log, .taken = is_taken };
	struct usb_host *host;
	struct slot *first = NULL;
	struct reader *r;
	enum ccid_err err = begin_reader(device_name, name, &r);

	if (err != CCID_OK)
		return err;
	host = registry.host;
	pthread_mutex_unlock(&registry.lock);
	log = (struct log_ctx){ .reader = r->device_name, .lun = lun, .gone = &r->gone };
	err = reader_open(r, host, name ? &rq : NULL, lun, (unsigned)(lun & 0xFFFF), &first);
	pthread_mutex_lock(&registry.lock);
	r->busy = false;
	host = NULL;
	if (err == CCID_OK) {
		add_slot(first);
	} else {
		unlink_reader(r);
		host = host_to_free();
		reader_free(r);
	}
	pthread_cond_broadcast(&registry.changed);
	if (host) {
		pthread_mutex_unlock(&registry.lock);
		usb_host_free(host);
		pthread_mutex_lock(&registry.lock);
	}
	return err;
}

enum ccid_err registry_open(unsigned long lun, const char *device_name)
{
	struct usb_name name = { .interface = -1 };
	bool usb = !device_name || strncmp(device_name, "usb:", 4) == 0;
	enum ccid_err err = CCID_OK;
	struct reader *r;

	pthread_mutex_lock(&registry.lock);
	load_config();
	if (device_name && usb) {
		err = usb_name_parse(device_name, &name);
		if (err != CCID_OK)
			LOG(LOG_CRITICAL, NULL, "device name \"%.80s\" is not understood", device_name);
	}
	if (find_slot(lun)) {
		LOG(LOG_CRITICAL, NULL, "Lun %lX is open already", lun);
		err = CCID_ERR_ARG;
	}
	if (err == CCID_OK) {
		r = device_name ? find_reader(device_name) : NULL;
		if (r)
			err = open_further(r, lun);
		else
			err = open_new(lun, device_name ? device_name : "usb", usb ? &name : NULL);
	}
	pthread_mutex_unlock(&registry.lock);
	return err;
}

/* Lock held at entry and at return, not between: nobody uses the reader any more. */
static void close_reader(struct reader *r)
{
	struct usb_host *host;

	r->busy = true;
	pthread_mutex_unlock(&registry.lock);
	reader_close(r);
	pthread_mutex_lock(&registry.lock);
	unlink_reader(r);
	host = host_to_free();
	reader_free(r);
	pthread_cond_broadcast(&registry.changed);
	if (host) {
		pthread_mutex_unlock(&registry.lock);
		usb_host_free(host);
		pthread_mutex_lock(&registry.lock);
	}
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

	/* A command under way ends now; then nobody holds the slot. */
	r->transport->ops->set_closed(r->transport, (uint8_t)s->number, true);

	pthread_mutex_lock(&registry.lock);
	while (s->users > 0)
		pthread_cond_wait(&registry.changed, &registry.lock);
	pthread_mutex_unlock(&registry.lock);
	number = s->number;
	reader_free_slot(s);
	pthread_mutex_lock(&registry.lock);
	r->slots[number] = NULL;
	if (--r->n_open == 0)
		close_reader(r);
	pthread_mutex_unlock(&registry.lock);
	return CCID_OK;
}
