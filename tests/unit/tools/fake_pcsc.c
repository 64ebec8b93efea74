/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for libpcsclite.so.1: a file, FAKE_PCSC, says what pcscd would. A line is a reader:
 * name|result of SCardConnect|channel|USB path|state|ATR, numbers and bytes in hex, "-" for what the driver does not
 * tell, "hang" for a SCardConnect that does not return, a state "=HEX" for the result of SCardGetStatusChange; or
 * "=HEX", the result of SCardEstablishContext; or "hang", for ever. */
#include <reader.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <winscard.h>

#define EXPORT __attribute__((visibility("default")))

struct reader {
	char name[128], connect[16], channel[16], place[32], state[16], atr[80];
};

static struct reader readers[300];
static unsigned n_readers;

static LONG read_file(void)
{
	const char *path = getenv("FAKE_PCSC");
	FILE *f = fopen(path ? path : "", "r");
	unsigned long rv = 0;
	char line[400];

	n_readers = 0;
	if (!f)
		return SCARD_E_NO_SERVICE;
	while (fgets(line, sizeof line, f) && n_readers < 300) {
		struct reader *r = &readers[n_readers];

		while (strncmp(line, "hang", 4) == 0)
			sleep(1);
		if (line[0] == '=')
			rv = strtoul(line + 1, NULL, 16);
		else if (sscanf(line, "%127[^|]|%15[^|]|%15[^|]|%31[^|]|%15[^|]|%79[^|\n]", r->name, r->connect,
				r->channel, r->place, r->state, r->atr) == 6)
			n_readers++;
	}
	fclose(f);
	return (LONG)rv;
}

EXPORT LONG SCardEstablishContext(DWORD dwScope, LPCVOID pvReserved1, LPCVOID pvReserved2, LPSCARDCONTEXT phContext)
{
	(void)dwScope;
	(void)pvReserved1;
	(void)pvReserved2;
	*phContext = 1;
	return read_file();
}

EXPORT LONG SCardReleaseContext(SCARDCONTEXT hContext)
{
	(void)hContext;
	return SCARD_S_SUCCESS;
}

EXPORT LONG SCardListReaders(SCARDCONTEXT hContext, LPCSTR mszGroups, LPSTR mszReaders, LPDWORD pcchReaders)
{
	LONG rv = read_file();
	size_t at = 0;

	(void)hContext;
	(void)mszGroups;
	if (rv != SCARD_S_SUCCESS)
		return rv;
	if (n_readers == 0)
		return SCARD_E_NO_READERS_AVAILABLE;
	for (unsigned i = 0; i < n_readers; i++) {
		size_t len = strlen(readers[i].name) + 1;

		if (at + len + 1 > *pcchReaders)
			return SCARD_E_INSUFFICIENT_BUFFER;
		memcpy(mszReaders + at, readers[i].name, len);
		at += len;
	}
	mszReaders[at++] = '\0';
	*pcchReaders = (DWORD)at;
	return SCARD_S_SUCCESS;
}

static const struct reader *find(const char *name)
{
	for (unsigned i = 0; i < n_readers; i++)
		if (strcmp(readers[i].name, name) == 0)
			return &readers[i];
	return NULL;
}

EXPORT LONG SCardGetStatusChange(SCARDCONTEXT hContext, DWORD dwTimeout, SCARD_READERSTATE *rgReaderStates,
				 DWORD cReaders)
{
	(void)hContext;
	if (cReaders > 16)
		return SCARD_E_INVALID_VALUE;
	if (dwTimeout > 0) {
		usleep(20000);
		return SCARD_E_TIMEOUT;
	}
	for (DWORD i = 0; i < cReaders; i++) {
		SCARD_READERSTATE *s = &rgReaderStates[i];
		const struct reader *r = find(s->szReader);

		if (!r)
			return SCARD_E_UNKNOWN_READER;
		if (r->state[0] == '=')
			return (LONG)strtoul(r->state + 1, NULL, 16);
		s->dwEventState = (DWORD)strtoul(r->state, NULL, 16);
		s->cbAtr = 0;
		for (const char *p = r->atr; p[0] && p[1] && p[0] != '-' && s->cbAtr < MAX_ATR_SIZE; p += 2) {
			char two[3] = {p[0], p[1], '\0'};

			s->rgbAtr[s->cbAtr++] = (unsigned char)strtoul(two, NULL, 16);
		}
	}
	return SCARD_S_SUCCESS;
}

EXPORT LONG SCardConnect(SCARDCONTEXT hContext, LPCSTR szReader, DWORD dwShareMode, DWORD dwPreferredProtocols,
			 LPSCARDHANDLE phCard, LPDWORD pdwActiveProtocol)
{
	const struct reader *r = find(szReader);

	(void)hContext;
	/* A card would be powered or kept from others by anything else. */
	if (dwShareMode != SCARD_SHARE_DIRECT || dwPreferredProtocols != 0)
		abort();
	if (!r)
		return SCARD_E_UNKNOWN_READER;
	while (strcmp(r->connect, "hang") == 0)
		sleep(1);
	*pdwActiveProtocol = 0;
	*phCard = (SCARDHANDLE)(r - readers + 1);
	return (LONG)strtoul(r->connect, NULL, 16);
}

EXPORT LONG SCardDisconnect(SCARDHANDLE hCard, DWORD dwDisposition)
{
	(void)hCard;
	if (dwDisposition != SCARD_LEAVE_CARD)
		abort();
	return SCARD_S_SUCCESS;
}

EXPORT LONG SCardGetAttrib(SCARDHANDLE hCard, DWORD dwAttrId, LPBYTE pbAttr, LPDWORD pcbAttrLen)
{
	const struct reader *r = &readers[hCard - 1];
	unsigned channel;

	if (dwAttrId == SCARD_ATTR_CHANNEL_ID && r->channel[0] != '-') {
		channel = (unsigned)strtoul(r->channel, NULL, 16);
		memcpy(pbAttr, &channel, 4);
		*pcbAttrLen = 4;
		return SCARD_S_SUCCESS;
	}
	return SCARD_E_UNSUPPORTED_FEATURE;
}

EXPORT LONG SCardControl(SCARDHANDLE hCard, DWORD dwControlCode, LPCVOID pbSendBuffer, DWORD cbSendLength,
			 LPVOID pbRecvBuffer, DWORD cbRecvLength, LPDWORD lpBytesReturned)
{
	const struct reader *r = &readers[hCard - 1];
	size_t len = strlen(r->place) + 1;

	(void)pbSendBuffer;
	if (dwControlCode != SCARD_CTL_CODE(3601) || cbSendLength != 0 || len > cbRecvLength)
		abort();
	if (r->place[0] == '-')
		return SCARD_E_UNSUPPORTED_FEATURE;
	memcpy(pbRecvBuffer, r->place, len);
	*lpBytesReturned = (DWORD)len;
	return SCARD_S_SUCCESS;
}

EXPORT const char *pcsc_stringify_error(const LONG pcscError)
{
	return pcscError == SCARD_S_SUCCESS ? "Command successful." : "Some error.";
}
