/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef QUIRKS_H
#define QUIRKS_H

#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Capabilities and deviations the code asks for; never a vendor id. quirks.def is the table of
 * readers. A name here is the name that IFDCCID_QUIRKS and quirks.d take, in lower case with '-'
 * and without QUIRK_. X-macro: name, where it matters, documentation.
 *   READER   descriptor, PIN pad, features, Escape commands: test_quirks.c sees it by itself
 *   CARD     power on, protocol, exchange, answers
 *   SYSTEM   which interfaces and firmware are driven; udev rules */
#define QUIRK_LIST(X) \
	X(NO_PINPAD, READER, "claims a PIN pad that it does not have or that must not be used") \
	X(EXTENDED_LEVEL, READER, "firmware chains: driven at extended APDU level") \
	X(SHORT_LEVEL, READER, "no extended APDU: driven at short APDU level") \
	X(MAX_IFSD_254, READER, "dwMaxIFSD is 254") \
	X(MAX_RATE_9600, READER, "dwMaxDataRate is 9600") \
	X(KEEP_ATR_PROTOCOL, CARD, "no PPS: the default protocol of the ATR is kept") \
	X(SPLIT_EXPECTED_64, CARD, \
	  "character T=0: blocks that fill a packet are read as 1 byte and the rest") \
	X(NO_IFSD, CARD, "no IFSD negotiation") \
	X(CASE1_NEEDS_P3, CARD, "T=0 TPDU: P3 = 00 is appended to a 4-byte command") \
	X(SEQ_OFF_BY_ONE, CARD, "answers seen with bSeq off by one") \
	X(PADDED_ANSWERS, CARD, "answers carry trailing bytes beyond dwLength") \
	X(RATES_TO_200000, READER, "data rates above 200000 bps are dropped") \
	X(PARAMS_MAY_FAIL, CARD, "SetParameters may fail: reset the card twice, go on without") \
	X(GEMALTO_APDU_MODE, READER, \
	  "ifdDriverOptions 0x02 switches to APDU mode by Escape 1F 02") \
	X(DISPLAY_STRINGS, READER, "ten display strings are loaded after opening") \
	X(GEMALTO_FEATURES, READER, "Escape 6A tells firmware features, Escape 02 the version") \
	X(ISO_MODE_ON_BB, READER, "power on error BB: Escape 1F 01, then once more") \
	X(OFF_BEFORE_ON, CARD, "power off before every power on") \
	X(KOBIL_IDTOKEN, READER, "answers FF 9A 01 xx 00 by itself") \
	X(PRESENCE_FROM_POWER, CARD, \
	  "always reports a card: presence is what the last power on said") \
	X(SIM_SLOT_RATES, READER, "slots above 0 know four data rates only") \
	X(PIN_APPEND_MODE, READER, \
	  "verify: Escape 80 02 00 before a case 1 APDU with unpadded PIN") \
	X(PIN_MODIFY_THREE_INDEXES, READER, \
	  "modify: all bMsgIndex 0 and present, bNumberMessage 0") \
	X(PIN_MODIFY_MESSAGES_3, READER, "modify: bNumberMessage is 3") \
	X(PIN_MODIFY_MESSAGES_FF, READER, "modify: bNumberMessage 0 becomes FF") \
	X(PIN_ENTRY_CONDITION_2, READER, "bEntryValidationCondition 02 only") \
	X(PIN_VERIFY_MESSAGES_1, READER, "verify: bNumberMessage 01 only") \
	X(PIN_MODIFY_ALL_INDEXES, READER, \
	  "modify: bMsgIndex2 and 3 always present, bNumberMessage kept") \
	X(PIN_VERIFY_MESSAGES_0, READER, "verify: bNumberMessage 00 only") \
	X(PIN_WAIT_ENTER_RELEASE, READER, "verify: 250 ms for the Enter key to be released") \
	X(PIN_SWAP_MAX_EXTRA_DIGIT, READER, "verify: the bytes of wPINMaxExtraDigit are swapped") \
	X(MCT_READER_DIRECT, READER, "offers FEATURE_MCT_READER_DIRECT") \
	X(ESCAPE_ALWAYS, READER, "Escape is always allowed") \
	X(ESCAPE_SWITCH_INTERFACE, READER, "Escape 52 F8 04 01 00 xx is always allowed") \
	X(ESCAPE_FIRMWARE_VERSION, READER, "Escape 02 is always allowed") \
	X(ESCAPE_T1, CARD, \
	  "short APDU level: extended APDUs for T=1 cards go as blocks in Escape 1A") \
	X(KEEP_POWER, CARD, "pcscd's idle power off leaves the card its power, and its PINs") \
	X(COMPOSITE, SYSTEM, "several CCID interfaces that may be slots of one reader") \
	X(SHARED_GATE, SYSTEM, "its interfaces cannot work at the same time") \
	X(SEC1210_SYNC, SYSTEM, "interface 1 has no card detector") \
	X(NO_AUTOSUSPEND, SYSTEM, "no USB autosuspend (udev rule)") \
	X(STARTED_BY_SWITCH, SYSTEM, "becomes a reader by a switch program (udev rule)") \
	X(OLD_FIRMWARE, SYSTEM, "firmware too old, refused unless ifdDriverOptions has 0x04") \
	X(MAX_LENGTH_270, READER, "dwMaxCCIDMessageLength 263 is 270 in truth")

/* Quirks that carry a number; 0: as usual. X-macro: type, name, largest number, documentation. */
#define QUIRK_VALUES(X) \
	X(unsigned, open_delay_ms, 60000, "wait after opening, before the first command") \
	X(unsigned, first_timeout_ms, 300000, "wait for the first GetSlotStatus") \
	X(unsigned, extra_t1_wait_ms, 3600000, "added to T=1 waits") \
	X(uint16_t, first_good_fw, 0xFFFF, "with old-firmware: bcdDevice that is accepted") \
	X(uint8_t, min_pin, 255, "bMinPINSize of the PIN pad") \
	X(uint8_t, max_pin, 255, "bMaxPINSize of the PIN pad") \
	X(uint8_t, entry_condition, 7, "bEntryValidationCondition instead of 07") \
	X(uint8_t, composite_first, 31, "with composite: first interface that is a slot") \
	X(uint8_t, composite_count, 255, "with composite: interfaces from there; 255: all")

enum quirk {
#define X(name, area, doc) QUIRK_##name,
	QUIRK_LIST(X)
#undef X
	QUIRK_COUNT
};

/* The quirks of one reader. */
struct quirk_set {
	uint64_t bits;
#define X(type, name, max, doc) type name;
	QUIRK_VALUES(X)
#undef X
};

#define QUIRK_ALL_INTERFACES 255

#define QUIRK_ATR_MAX 33	/* bytes of an ATR, ISO 7816-3:2006 8.2.1 */

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

static inline bool quirk_has(const struct quirk_set *q, enum quirk which)
{
	return (q->bits >> which & 1) != 0;
}

/* Collects the quirks of a reader: the rows of the table that match (an exact row's numbers win
 * over a wildcard's), then the run-time override (text of IFDCCID_QUIRKS, or NULL). bcdDevice as in
 * the device descriptor. Mistakes in the override are passed over. */
void quirks_match(struct quirk_set *q, uint16_t idVendor, uint16_t idProduct, uint16_t bcdDevice,
		  const char *override);

/* What the rows and entries are for. */
struct quirk_ids {
	uint16_t idVendor, idProduct, bcdDevice;
	const uint8_t *atr;	/* of the card in it; NULL: entries for cards do not count */
	size_t atr_len;
};

/* Applies the entries of an override: vid:pid:item[,item...], with ';' between them. An item is a
 * flag, -flag, name=number (QUIRK_VALUES) or firmware=FIRST[-LAST]. Entries for a card are
 * atr:HEX:keep-power, or -keep-power. Mistakes are passed over. */
void quirks_override(struct quirk_set *q, const struct quirk_ids *ids, const char *text);
/* The same for one entry, which counts only when there is no mistake in it; else false. */
bool quirks_line(struct quirk_set *q, const struct quirk_ids *ids, const char *p, size_t len);

/* Logs each mistake in an override, and returns how many there are. Called once, when the
 * configuration is read. */
unsigned quirks_check_override(const char *override);

/* The flag named text[len] ("no-pinpad"), or -1. */
int quirk_by_name(const char *text, size_t len);
/* The name of a flag as quirk_by_name() takes it, written to out (at most cap bytes, with a
 * closing zero); returns out. */
const char *quirk_name(enum quirk which, char *out, size_t cap);
#define QUIRK_NAME_CAP 32
/* Where a flag matters, see QUIRK_LIST. */
enum quirk_area { QUIRK_READER, QUIRK_CARD, QUIRK_SYSTEM };
enum quirk_area quirk_area(enum quirk which);
/* What the flag stands for; static text. */
const char *quirk_doc(enum quirk which);

#endif
