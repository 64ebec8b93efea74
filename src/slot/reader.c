/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/reader.h"

#include <string.h>

struct log_ctx reader_log(struct reader *r, unsigned long lun)
{
	return (struct log_ctx){ .reader = r->device_name, .lun = lun, .gone = &r->gone,
				 .budget = &r->log_budget };
}

struct reader *reader_new(const char *device_name)
{
	struct reader *r = port_alloc(sizeof *r);
	size_t len = strlen(device_name) + 1;

	if (!r)
		return NULL;
	log_budget_init(&r->log_budget);
	r->device_name = port_alloc(len);
	if (!r->device_name) {
		reader_free(r);
		return NULL;
	}
	memcpy(r->device_name, device_name, len);
	return r;
}

void reader_set_gone(struct reader *r)
{
	__atomic_store_n(&r->gone, true, __ATOMIC_RELEASE);
	transport_set_gone(r->transport);
}

void reader_close(struct reader *r)
{
	if (r->transport)
		transport_close(r->transport);
	r->transport = NULL;
	port_free(r->data_rates);
	r->data_rates = NULL;
	port_free(r->places);
	r->places = NULL;
}

void reader_free(struct reader *r)
{
	unsigned long left_out;

	if (!r)
		return;
	left_out = log_budget_end(&r->log_budget);
	if (left_out > 0)
		LOG(LOG_INFO, NULL, "%s: %lu lines about this reader were left out of the log",
		    r->device_name, left_out);
	port_free(r->device_name);
	port_free(r);
}
