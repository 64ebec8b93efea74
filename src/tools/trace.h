/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOLS_TRACE_H
#define TOOLS_TRACE_H

/* The inside of ccid-trace. A source reads a file and hands over CCID messages, one at a time; a
 *sink writes them. Memory does not grow with the length of the file.
 *
 *	trace_log.c     source: the log of this driver or of libccid
 *	trace_capture.c source: pcapng or pcap with usbmon's headers
 *	trace.c         readers, and the mask that hides secrets, between source and sink
 *	trace_desc.c    descriptors, from what ccid-parse wrote
 *	trace_pcapng.c  sink: pcapng for Wireshark
 *	trace_text.c    sink: the driver's log
 *	trace_apdu.c    sink: the APDU dialogue
 *	trace_output.c	the file that is written
 *	trace_summary.c sink: times, errors, time extensions of each slot
 */

#include "wire/ccid_desc.h"
#include "util/log_secrets.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_HEADER 10u
#define TRACE_MESSAGE_MAX CCID_MESSAGE_MAX
#define TRACE_READERS_MAX 256
#define TRACE_NAME_MAX	  120
#define TRACE_SLOTS	  256

/* What the descriptors of a reader say, as far as a capture needs it; 0 where nothing is known. */
struct trace_device {
	uint16_t idVendor, idProduct, bcdDevice;
	uint8_t bus, address, interface;
	uint8_t bulk_in, bulk_out, interrupt_in; /* endpoint addresses */
	uint8_t protocol;
	uint8_t class_desc[54];
	bool has_class_desc;
};

/* One reader of a trace. */
struct trace_reader {
	char name[TRACE_NAME_MAX];
	unsigned number; /* from 0, in the order of appearance */
	struct trace_device device;
	struct log_secrecy secrecy[TRACE_SLOTS];
	void *sink_data; /* the sink's own; freed with the reader */
	/* A message that comes in several pieces, one for each direction (0 in, 1 out). */
	struct trace_partial {
		uint8_t *bytes;	     /* TRACE_MESSAGE_MAX, allocated at first use */
		size_t have, hidden; /* bytes here; bytes that the log says it hid */
		size_t whole;	     /* 10 + dwLength; 0: none is open */
		uint64_t time_us, place;
	} partial[2];
};

struct trace_message {
	struct trace_reader *reader;
	bool sent;	  /* PC_to_RDR */
	bool interrupt;	  /* came over the interrupt pipe */
	uint64_t time_us; /* since the start of the trace, or since 1970 in a capture */
	uint64_t place;	  /* where it begins in the file: struct trace's place then */
	const uint8_t *bytes;
	size_t len;  /* bytes that may be shown */
	size_t full; /* bytes that the message had */
};

struct trace_sink {
	void (*message)(struct trace_sink *s, const struct trace_message *m);
	void (*reader_end)(struct trace_sink *s, struct trace_reader *r); /* may be NULL */
	void (*end)(struct trace_sink *s);				  /* may be NULL */
	FILE *out;
};

/* One run: the source's state is in it too. */
struct trace {
	const char *file; /* for messages */
	struct trace_sink *sink;
	struct trace_reader *readers[TRACE_READERS_MAX];
	unsigned n_readers;
	const struct trace_device *known; /* from ccid-parse; not owned */
	size_t n_known;
	uint64_t messages; /* handed to the sink */
	uint64_t damaged;  /* begun in the input, but not whole there */
	uint64_t damaged_at; /* place of the first such message */
	uint64_t left_out;   /* messages of readers that there is no room for */
	uint64_t place;	     /* the source's: the number of the line, or bytes read so far */
	bool by_line;	     /* which of both */
	char *problem;	     /* the stream for error messages; NULL: standard error */
	size_t problem_cap;
};

/* The reader of that name, made at first use; NULL when there are too many or memory is out.
 * Control characters of the name become '?': what is written may go to a terminal. */
struct trace_reader *trace_reader_named(struct trace *t, const char *name, size_t len);
/* Opens a message in pieces: p holds len bytes from its start. A message that was open before in
 * that direction is handed over as far as it came. */
void trace_begin(struct trace *t, struct trace_reader *r, bool sent, uint64_t time_us,
		 const uint8_t *p, size_t len);
/* More bytes of the open message; hidden: bytes that the source knows of but does not have. */
void trace_more(struct trace *t, struct trace_reader *r, bool sent, const uint8_t *p, size_t len,
		size_t hidden);
/* A message of the interrupt pipe. */
void trace_interrupt(struct trace *t, struct trace_reader *r, uint64_t time_us, const uint8_t *p,
		     size_t len);
/* Hands over what is still open; ends the sink; frees the readers. */
void trace_end(struct trace *t);
/* Is it the first byte of a message in that direction (CCID 1.10 §6)? */
bool trace_is_type(bool sent, uint8_t bMessageType);

/* Reports a fault of the file. Returns false. */
bool trace_fail(struct trace *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sources. They read to the end of the file; false with a message when the file cannot
 * be read or is damaged (its place is named). */
bool trace_read_log(struct trace *t, FILE *in);
bool trace_read_capture(struct trace *t, FILE *in);
/* Do the first bytes of a file say that it is a capture? */
bool trace_is_capture(const uint8_t *p, size_t len);

/* What ccid-parse wrote about readers, as text or compressed (trace_desc.c): at most max of them;
 * SIZE_MAX when the file cannot be read or does not end (errno). */
size_t trace_read_descriptors(const char *file, struct trace_device *out, size_t max);
/* idVendor, idProduct, bus, address and interface of a device name as pcscd gives it. */
void trace_device_from_name(struct trace_device *d, const char *name);

/* Sinks, in memory of their own, freed by free(); NULL when memory is out. */
struct trace_sink *trace_pcapng_sink(FILE *out);
struct trace_sink *trace_log_sink(FILE *out);
struct trace_sink *trace_apdu_sink(FILE *out);
struct trace_sink *trace_summary_sink(FILE *out);

/* The meaning of a status word (ISO 7816-4:2013 §5.6); a static text, "" when nothing is known. */
const char *trace_sw_text(uint8_t sw1, uint8_t sw2);

#endif
