/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/pcsc.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY "libpcsclite.so.1"

bool pcsc_load(struct pcsc *p, char *why, size_t cap)
{
	const struct {
		const char *name;
		void *to;
	} symbols[] = {
		{ "SCardEstablishContext", &p->establish_context },
		{ "SCardReleaseContext", &p->release_context },
		{ "SCardListReaders", &p->list_readers },
		{ "SCardGetStatusChange", &p->get_status_change },
		{ "SCardConnect", &p->connect },
		{ "SCardDisconnect", &p->disconnect },
		{ "SCardGetAttrib", &p->get_attrib },
		{ "SCardControl", &p->control },
		{ "pcsc_stringify_error", &p->stringify_error },
	};
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!library) {
		snprintf(why, cap, "%s", dlerror());
		return false;
	}
	for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
		void *address = dlsym(library, symbols[i].name);

		if (!address) {
			snprintf(why, cap, LIBRARY " has no %s", symbols[i].name);
			return false;
		}
		memcpy(symbols[i].to, &address, sizeof address);
	}
	return true;
}
