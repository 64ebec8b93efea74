/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/model/card.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_card *sim_card_new(const char *spec, char *err, size_t err_cap)
{
	struct sim_card *c = calloc(1, sizeof *c);

	if (c == NULL) {
		snprintf(err, err_cap, "out of memory");
		return NULL;
	}
	if (!card_spec_parse(&c->cfg, c, spec, err, err_cap)) {
		free(c);
		return NULL;
	}
	if (!card_files_new(c)) {
		snprintf(err, err_cap, "out of memory");
		sim_card_free(c);
		return NULL;
	}
	card_atr_build(&c->cfg);
	card_atr_parse(c->cfg.atr, c->cfg.atr_len, &c->atr);
	memcpy(c->pin, c->cfg.pin, sizeof c->pin);
	c->pin_len = c->cfg.pin_len;
	c->tries_left = c->cfg.tries;
	c->random = 1;
	return c;
}

void sim_card_free(struct sim_card *c)
{
	if (c == NULL)
		return;
	card_files_free(c);
	free(c);
}

/* ISO 7816-3 §6.2: a card that does not work at this class stays mute. */
const uint8_t *sim_card_reset(struct sim_card *c, unsigned class_bit, bool warm, size_t *len)
{
	if (warm && !c->powered)
		card_complain(c, "warm reset of a card without power");
	*len = 0;
	c->powered = false;
	card_fault_reset(c);
	if (c->cfg.mute || class_bit > 2 || !(c->cfg.classes & 1u << class_bit))
		return c->atr_out;
	if (c->foreign != NULL && !card_foreign_reset(c, warm))
		return c->atr_out;
	c->powered = true;
	c->talked = false;
	c->protocol = c->atr.first;
	/* §8.3: with TA2 (b5 = 0) the values of TA1 apply at once, else the default ones */
	c->fidi = c->atr.specific ? c->atr.ta1 : 0x11;
	memset(&c->t0, 0, sizeof c->t0);
	card_t1_reset(c);
	card_applet_reset(c);

	*len = card_atr_send(c);
	return c->atr_out;
}

void sim_card_power_off(struct sim_card *c)
{
	if (c->foreign != NULL && c->powered)
		c->foreign->power_off(c->foreign_user);
	c->foreign_again = false;
	c->powered = false;
}

unsigned sim_card_protocol(const struct sim_card *c)
{
	return c->protocol;
}

uint8_t sim_card_fidi(const struct sim_card *c)
{
	return c->fidi;
}

void sim_card_set_protocol(struct sim_card *c, unsigned protocol, uint8_t fidi)
{
	if (protocol > 1 || !(c->atr.protocols & 1u << protocol))
		card_complain(c, "protocol T=%u, which the ATR does not offer", protocol);
	else
		c->protocol = protocol;
	c->fidi = fidi;
}

void sim_card_set_ifsd(struct sim_card *c, uint8_t ifsd)
{
	if (ifsd >= 1 && ifsd <= 254)
		c->t1.ifsd = ifsd;
}

void sim_card_lost(struct sim_card *c)
{
	c->t1.damaged = true;
	c->foreign_again = false;
}

bool card_ready(struct sim_card *c, unsigned protocol)
{
	if (!c->powered) {
		card_complain(c, "exchange with a card without power");
		return false;
	}
	c->talked = true;
	if (c->foreign_state == SIM_FOREIGN_MUTE)	/* until it is reset */
		return false;
	if (protocol != c->protocol) {
		card_complain(c, "T=%u spoken to a card that speaks T=%u", protocol, c->protocol);
		return false;
	}
	return true;
}

int sim_card_apdu(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out, size_t *out_len,
		  uint64_t *work_ns)
{
	*work_ns = 0;
	*out_len = 0;
	if (!card_ready(c, c->protocol))
		return SIM_CARD_MUTE;
	*out_len = card_whole(c, in, len, out);
	*work_ns = c->work;
	return *out_len > 0 ? SIM_CARD_OK : SIM_CARD_MUTE;
}

/* A card asks before three quarters of its waiting time are over. */
unsigned card_extensions(const struct sim_card *c, uint64_t work, uint64_t wait_ns)
{
	uint64_t n;

	if (c->cfg.wtx_mode == WTX_OFF)
		return 0;
	if (c->cfg.wtx_mode == WTX_FIXED)
		return c->cfg.wtx_count;
	n = work / (wait_ns / 4 * 3 + 1);
	return n > 200 ? 200 : (unsigned)n;
}

void card_complain(struct sim_card *c, const char *fmt, ...)
{
	va_list ap;

	if (c->complaints < CARD_COMPLAINTS) {
		va_start(ap, fmt);
		vsnprintf(c->complaint[c->complaints], sizeof c->complaint[0], fmt, ap);
		va_end(ap);
	}
	c->complaints++;
}

unsigned sim_card_complaints(const struct sim_card *c)
{
	return c->complaints;
}

const char *sim_card_complaint(const struct sim_card *c, unsigned i)
{
	if (i >= c->complaints)
		return NULL;
	return i < CARD_COMPLAINTS ? c->complaint[i] : "(not kept)";
}
