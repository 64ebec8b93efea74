/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef QUIRKS_H
#define QUIRKS_H

#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Capabilities and deviations the code asks for; never a vendor id. The table of who has
 * which is quirks.def. A name here is the name IFDCCID_QUIRKS takes, in lower case with '-'
 * and without QUIRK_. X-macro: name, documentation. */
#define QUIRK_LIST(X)                                                                              \
	X(NO_PINPAD, "claims a PIN pad that it has not or that must not be used")                  \
	X(EXTENDED_LEVEL, "firmware chains: driven at extended APDU level")                        \
	X(SHORT_LEVEL, "no extended APDU: driven at short APDU level")                             \
	X(MAX_IFSD_254, "dwMaxIFSD is 254")                                                        \
	X(MAX_RATE_9600, "dwMaxDataRate is 9600")                                                  \
	X(KEEP_ATR_PROTOCOL, "no PPS: the default protocol of the ATR is kept")                    \
	X(SPLIT_EXPECTED_64,                                                                       \
	  "character T=0: blocks that fill a packet are read as 1 byte and the rest")              \
	X(NO_IFSD, "no IFSD negotiation")                                                          \
	X(CASE1_NEEDS_P3, "T=0 TPDU: P3 = 00 is appended to a 4-byte command")                     \
	X(SEQ_OFF_BY_ONE, "answers seen with bSeq off by one")                                     \
	X(PADDED_ANSWERS, "answers carry trailing bytes beyond dwLength")                          \
	X(RATES_TO_200000, "data rates above 200000 bps are dropped")                              \
	X(PARAMS_MAY_FAIL, "SetParameters may fail: reset the card twice, go on without")          \
	X(GEMALTO_APDU_MODE, "ifdDriverOptions 0x02 switches to APDU mode by Escape 1F 02")        \
	X(DISPLAY_STRINGS, "ten display strings are loaded after opening")                         \
	X(GEMALTO_FEATURES, "Escape 6A tells firmware features, Escape 02 the version")            \
	X(ISO_MODE_ON_BB, "power on error BB: Escape 1F 01, then once more")                       \
	X(OFF_BEFORE_ON, "power off before every power on")                                        \
	X(KOBIL_IDTOKEN, "answers FF 9A 01 xx 00 by itself")                                       \
	X(PRESENCE_FROM_POWER, "always reports a card: presence is what the last power on said")   \
	X(SIM_SLOT_RATES, "slots above 0 know four data rates only")                               \
	X(PIN_APPEND_MODE, "verify: Escape 80 02 00 before a case 1 APDU with unpadded PIN")       \
	X(PIN_MODIFY_THREE_INDEXES, "modify: all bMsgIndex 0 and present, bNumberMessage 0")       \
	X(PIN_MODIFY_MESSAGES_3, "modify: bNumberMessage is 3")                                    \
	X(PIN_MODIFY_MESSAGES_FF, "modify: bNumberMessage 0 becomes FF")                           \
	X(PIN_ENTRY_CONDITION_2, "bEntryValidationCondition 02 only")                              \
	X(PIN_VERIFY_MESSAGES_1, "verify: bNumberMessage 01 only")                                 \
	X(PIN_MODIFY_ALL_INDEXES, "modify: bMsgIndex2 and 3 always present, bNumberMessage kept")  \
	X(PIN_VERIFY_MESSAGES_0, "verify: bNumberMessage 00 only")                                 \
	X(PIN_WAIT_ENTER_RELEASE, "verify: 250 ms for the Enter key to be released")               \
	X(PIN_SWAP_MAX_EXTRA_DIGIT, "verify: the bytes of wPINMaxExtraDigit are swapped")          \
	X(MCT_READER_DIRECT, "offers FEATURE_MCT_READER_DIRECT")                                   \
	X(ESCAPE_ALWAYS, "Escape is always allowed")                                               \
	X(ESCAPE_SWITCH_INTERFACE, "Escape 52 F8 04 01 00 xx is always allowed")                   \
	X(ESCAPE_FIRMWARE_VERSION, "Escape 02 is always allowed")                                  \
	X(COMPOSITE, "several CCID interfaces that may be slots of one reader")                    \
	X(SHARED_GATE, "its interfaces cannot work at the same time")                              \
	X(SEC1210_SYNC, "interface 1 has no card detector")                                        \
	X(NO_AUTOSUSPEND, "no USB autosuspend (udev rule)")                                        \
	X(STARTED_BY_SWITCH, "becomes a reader by a switch program (udev rule)")                   \
	X(OLD_FIRMWARE, "firmware too old, refused unless ifdDriverOptions has 0x04")              \
	X(MAX_LENGTH_270, "dwMaxCCIDMessageLength 263 is 270 in truth")

enum quirk {
#define X(name, doc) QUIRK_##name,
	QUIRK_LIST(X)
#undef X
	QUIRK_COUNT
};

/* The quirks of one reader, with the few that carry a number. */
struct quirk_set {
	uint64_t bits;
	unsigned open_delay_ms;		/* after open, before the first command */
	unsigned first_timeout_ms;	/* wait for the first GetSlotStatus; 0: the usual */
	unsigned extra_t1_wait_ms;	/* added to T=1 waits */
	uint16_t first_good_fw;		/* with OLD_FIRMWARE: bcdDevice that is accepted */
	uint8_t min_pin, max_pin;	/* bMinPINSize, bMaxPINSize; 0,0: not known */
	uint8_t entry_condition;	/* bEntryValidationCondition; 0: the usual 07 */
	uint8_t composite_first;	/* COMPOSITE: first interface */
	uint8_t composite_count;	/* COMPOSITE: interfaces from there; QUIRK_ALL_INTERFACES */
};

#define QUIRK_ALL_INTERFACES 255

/* Row of the table: any vendor, any product. Above all real ids, so that wildcards sort last. */
#define QUIRK_ANY 0x10000u

/* One row of quirks.def. bcdDevice from fw_from to fw_to, both included. */
struct quirk_row {
	uint32_t vendor, product;	/* or QUIRK_ANY */
	uint16_t fw_from, fw_to;
	struct quirk_set set;		/* flags, and the numbers that are not 0 */
	const char *reason;
	const char *reference;
};

/* The table, sorted by vendor and product; *n rows. For the documentation and the tests. */
const struct quirk_row *quirks_table(size_t *n);

bool quirk_has(const struct quirk_set *q, enum quirk which);

/* Collects the quirks of a reader: the rows of the table that match (an exact row's numbers win
 * over a wildcard's), then the run-time override (text of IFDCCID_QUIRKS, or NULL). bcdDevice as in
 * the device descriptor. Mistakes in the override are passed over. */
void quirks_match(struct quirk_set *q, uint16_t idVendor, uint16_t idProduct, uint16_t bcdDevice,
		  const char *override);

/* Logs each mistake in an override, and returns how many there are. Called once, when the
 * configuration is read. */
unsigned quirks_check_override(const char *override);

/* The flag named text[len] ("no-pinpad"), or -1. */
int quirk_by_name(const char *text, size_t len);
/* The name of a flag as quirk_by_name() takes it, written to out (at most cap bytes, with a
 * closing zero); returns out. */
const char *quirk_name(enum quirk which, char *out, size_t cap);
#define QUIRK_NAME_CAP 32
/* What the flag stands for; static text. */
const char *quirk_doc(enum quirk which);

#endif
