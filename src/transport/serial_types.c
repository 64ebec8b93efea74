/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/serial_types.h"

#include "transport/serial_frame.h"

#include <string.h>
#include <strings.h>

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* ISO 7816-3 rates at 4 MHz. */
#define RATES_4MHZ                                                                              \
	10753, 14337, 15625, 17204, 20833, 21505, 23438, 25806, 28674, 31250, 32258, 34409,     \
	39063, 41667, 43011, 46875, 52083, 53763, 57348, 62500, 64516, 68817, 71685, 78125,     \
	83333, 86022, 93750, 104167, 107527, 114695, 125000, 129032, 143369, 156250, 166667,    \
	172043, 215054, 229391, 250000, 344086

static const uint32_t rates_twin[] = { RATES_4MHZ };
static const uint32_t rates_500000[] = { RATES_4MHZ, 500000 };
/* and at 4.8 MHz */
static const uint32_t rates_simpro2[] = {
	8709, 10322, 12403, 12500, 12903, 17204, 18750, 20645, 24806, 25000, 25806, 28125,
	30967, 34408, 37500, 41290, 46875, 49612, 50000, 51612, 56250, 62500, 64516, 68817,
	74418, 75000, 82580, 86021, 93750, 99224, 100000, 103225, 112500, 124031, 125000,
	137634, 150000, 154838, 165161, 172043, 187500, 198449, 200000, 206451, 258064,
	275268, 300000, 396899, 400000, 412903, 550537, 600000, 825806,
};

/* The vendor and product ids are those of the same chips on USB: quirks go by them.
 * One line is one command at a time, however many slots there are. */
#define DESC(slots, vendor, product, fw, features, clock_khz, rate, max_rate, pin, n)           \
	{                                                                                       \
		.bcdCCID = 0x0100,                                                              \
		.bMaxSlotIndex = (slots) - 1,                                                   \
		.bVoltageSupport = 0x07,                                                        \
		.dwProtocols = 0x03,                                                            \
		.dwDefaultClock = (clock_khz),                                                  \
		.dwMaximumClock = (clock_khz),                                                  \
		.dwDataRate = (rate),                                                           \
		.dwMaxDataRate = (max_rate),                                                    \
		.bNumDataRatesSupported = (n),                                                  \
		.dwMaxIFSD = 254,                                                               \
		.dwFeatures = (features),                                                       \
		.dwMaxCCIDMessageLength = SERIAL_MESSAGE_MAX,                                   \
		.bPINSupport = (pin),                                                           \
		.bMaxCCIDBusySlots = 1,                                                         \
		.bInterfaceClass = CCID_CLASS,                                                  \
		.bInterfaceProtocol = CCID_PROTOCOL_BULK,                                       \
		.idVendor = (vendor),                                                           \
		.idProduct = (product),                                                         \
		.bcdDevice = (fw),                                                              \
	}

#define RATES(a) .rates = (a), .n_rates = LENGTH(a)
#define FEATURES_GEM 0x00010230u
#define FEATURES_SEC 0x000100B2u
#define PIN_BOTH (CCID_PIN_VERIFY | CCID_PIN_MODIFY)

/* The first one is the default. */
static const struct serial_type types[] = {
	{ .name = "GemPCTwin", .manufacturer = "Gemplus", .echoes = true, .notifies = true,
	  .firmware_escape = 0x02, RATES(rates_twin),
	  .desc = DESC(1, 0x08E6, 0x3437, 0x0100, FEATURES_GEM, 4000, 10753, 344086, 0,
		       LENGTH(rates_twin)) },
	{ .name = "GemPCPinPad", .manufacturer = "Gemplus", .echoes = true, .notifies = true,
	  .firmware_escape = 0x02, RATES(rates_500000),
	  .desc = DESC(1, 0x08E6, 0x3478, 0x0100, FEATURES_GEM, 4000, 10753, 500000, PIN_BOTH,
		       LENGTH(rates_500000)) },
	{ .name = "GemCorePOSPro", .manufacturer = "Gemplus", .notifies = true,
	  .firmware_escape = 0x02, RATES(rates_500000),
	  .desc = DESC(5, 0x08E6, 0x3479, 0x0100, FEATURES_GEM, 4000, 10753, 500000, 0,
		       LENGTH(rates_500000)) },
	{ .name = "GemCoreSIMPro", .manufacturer = "Gemplus", .notifies = true,
	  .firmware_escape = 0x02, RATES(rates_500000),
	  .desc = DESC(2, 0x08E6, 0x3480, 0x0100, FEATURES_GEM, 4000, 10753, 500000, 0,
		       LENGTH(rates_500000)) },
	/* firmware 2: without the quirks of the first SIM Pro */
	{ .name = "GemCoreSIMPro2", .manufacturer = "Gemplus", .notifies = true,
	  .starts_slow = true, .firmware_escape = 0x02, RATES(rates_simpro2),
	  .desc = DESC(2, 0x08E6, 0x3480, 0x0200, FEATURES_GEM, 4800, 12903, 825806, 0,
		       LENGTH(rates_simpro2)) },
	{ .name = "SEC1210", .manufacturer = "SMSC", .firmware_escape = 0x06,
	  .desc = DESC(2, 0x0424, 0x1202, 0x0100, FEATURES_SEC, 4800, 12903, 826000, 0, 0) },
	{ .name = "SEC1210UR2", .manufacturer = "SMSC", .firmware_escape = 0x06,
	  .desc = DESC(2, 0x0424, 0x1202, 0x0100, FEATURES_SEC, 4800, 12903, 826000, 0, 0) },
	{ .name = "SEC1210URT", .manufacturer = "SMSC", .firmware_escape = 0x06,
	  .desc = DESC(1, 0x0424, 0x1202, 0x0100, FEATURES_SEC, 4800, 12903, 826000, 0, 0) },
};

const struct serial_type *serial_type_at(size_t i)
{
	return i < LENGTH(types) ? &types[i] : NULL;
}

const struct serial_type *serial_type_find(const char *name, size_t len)
{
	if (len == 0)
		return &types[0];
	for (size_t i = 0; i < LENGTH(types); i++) {
		if (strlen(types[i].name) == len && strncasecmp(types[i].name, name, len) == 0)
			return &types[i];
	}
	return NULL;
}

const char *serial_type_names(void)
{
	return "GemPCTwin, GemPCPinPad, GemCorePOSPro, GemCoreSIMPro, GemCoreSIMPro2, "
	       "SEC1210, SEC1210UR2, SEC1210URT";
}
