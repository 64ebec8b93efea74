/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOLS_PCSC_H
#define TOOLS_PCSC_H

/* pcsc-lite's library for programs, loaded when it is needed: a tool that finds out why nothing
 * works starts without it, too. */

#include <reader.h>
#include <stdbool.h>
#include <stddef.h>
#include <winscard.h>

struct pcsc {
	__typeof__(SCardEstablishContext) *establish_context;
	__typeof__(SCardReleaseContext) *release_context;
	__typeof__(SCardListReaders) *list_readers;
	__typeof__(SCardGetStatusChange) *get_status_change;
	__typeof__(SCardConnect) *connect;
	__typeof__(SCardDisconnect) *disconnect;
	__typeof__(SCardGetAttrib) *get_attrib;
	__typeof__(SCardControl) *control;
	__typeof__(pcsc_stringify_error) *stringify_error;
};

/* False: why[cap] says why not. The library stays for the life of the process. */
bool pcsc_load(struct pcsc *p, char *why, size_t cap);

#endif
