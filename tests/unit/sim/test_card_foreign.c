/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A card whose commands run elsewhere: the model's part of T=0, T=1 and the ATR, and waiting. */
#include "card_talk.h"

#include <stdlib.h>
#include <string.h>

/* The foreign program: the last command to it, and its answer. */
static struct {
	enum sim_foreign_result reset, apdu;
	uint8_t in[300], out[1200];
	size_t in_len, out_len;
	unsigned asked, again, off;
} far;

static const uint8_t far_atr[] = { 0x3B, 0xDA, 0x18, 0xFF, 0x81, 0xB1, 0xFE, 0x75, 0x1F, 0x03, 0x00, 0x31,
				   0xC5, 0x73, 0xC0, 0x01, 0x40, 0x00, 0x90, 0x00, 0x0C };

static enum sim_foreign_result far_reset(void *user, bool warm, bool again, uint8_t *atr, size_t *len)
{
	(void)user;
	(void)warm;
	far.again += again;
	memcpy(atr, far_atr, sizeof far_atr);
	*len = sizeof far_atr;
	return far.reset;
}

static enum sim_foreign_result far_apdu(void *user, const uint8_t *in, size_t len, bool again, uint8_t *out,
					size_t *out_len)
{
	(void)user;
	assert_true(len <= sizeof far.in);
	far.asked++;
	far.again += again;
	memcpy(far.in, in, len);
	far.in_len = len;
	memcpy(out, far.out, far.out_len);
	*out_len = far.out_len;
	return far.apdu;
}

static bool far_working(void *user)
{
	(void)user;
	return far.apdu == SIM_FOREIGN_WORKING;
}

static void far_off(void *user)
{
	(void)user;
	far.off++;
}

static const struct sim_foreign far_card = { far_reset, far_apdu, far_working, far_off };

static uint8_t out[SIM_CARD_ROOM];
static size_t out_len;
static uint64_t work;

static struct sim_card *far_on(const char *spec)
{
	char err[100];
	struct sim_card *c = sim_card_new(spec, err, sizeof err);
	size_t len;

	assert_non_null(c);
	memset(&far, 0, sizeof far);
	sim_card_set_foreign(c, &far_card, NULL);
	sim_card_reset(c, 0, false, &len);
	assert_true(len > 0);
	return c;
}

/* Sets the card's next answer: n bytes i & FF, and 9000. */
static void set_answer(size_t n)
{
	for (size_t i = 0; i < n; i++)
		far.out[i] = (uint8_t)i;
	memcpy(far.out + n, "\x90\x00", 2);
	far.out_len = n + 2;
}

static void tpdu(struct sim_card *c, const char *in, size_t len, size_t want, unsigned sw)
{
	assert_int_equal(sim_card_t0_tpdu(c, (const uint8_t *)in, len, out, &out_len, &work), SIM_CARD_OK);
	assert_int_equal(out_len, want + 2);
	assert_int_equal(out[want] << 8 | out[want + 1], sw);
}

static void asked(const char *want, size_t len)
{
	assert_int_equal(far.in_len, len);
	assert_memory_equal(far.in, want, len);
}

static void test_atr(void **state)
{
	static const uint8_t own[] = { 0x3B, 0x1A, 0x96, 0x00, 0x31, 0xC5, 0x73, 0xC0, 0x01, 0x40, 0x00, 0x90, 0x00 };
	struct sim_card *c = far_on("");
	const uint8_t *atr;
	size_t len;

	(void)state;
	atr = sim_card_reset(c, 0, true, &len);
	assert_int_equal(len, sizeof far_atr);
	assert_memory_equal(atr, far_atr, len);
	assert_int_equal(sim_card_protocol(c), 1);
	sim_card_power_off(c);
	assert_int_equal(far.off, 1);
	sim_card_free(c);
	c = far_on("own-atr t0");
	atr = sim_card_reset(c, 0, true, &len);
	assert_int_equal(len, sizeof own);
	assert_memory_equal(atr, own, len);
	far.reset = SIM_FOREIGN_MUTE;
	sim_card_reset(c, 0, false, &len);
	assert_int_equal(len, 0);
	sim_card_free(c);
}

static void test_t0(void **state)
{
	struct sim_card *c = far_on("own-atr t0");

	(void)state;
	set_answer(0);
	tpdu(c, "\x80\x10\0\0\0", 5, 0, 0x9000);
	tpdu(c, "\0\x20\0\1\4abcd", 9, 0, 0x9000);		/* case 3: the foreign card gets
								   no Le */
	asked("\0\x20\0\1\4abcd", 9);
	set_answer(20);
	tpdu(c, "\0\xA4\4\0\2ab", 7, 0, 0x6114);		/* case 4: it gets an Le, and the
								   answer waits for GET RESPONSE */
	asked("\0\xA4\4\0\2ab\0", 8);
	tpdu(c, "\0\xC0\0\0\x14", 5, 20, 0x9000);
	assert_int_equal(far.asked, 3);				/* GET RESPONSE was not passed on */
	tpdu(c, "\0\xCA\0\x6E\0", 5, 0, 0x6C14);
	tpdu(c, "\0\xCA\0\x6E\x14", 5, 20, 0x9000);
	assert_int_equal(far.asked, 4);				/* the command did not run twice */
	set_answer(1000);
	tpdu(c, "\0\xB0\0\0\0", 5, 256, 0x6100);
	tpdu(c, "\0\xC0\0\0\0", 5, 256, 0x6100);
	tpdu(c, "\0\xC0\0\0\0", 5, 256, 0x61E8);
	tpdu(c, "\0\xC0\0\0\xE8", 5, 232, 0x9000);
	memcpy(far.out, "\x61\x10", 2);
	far.out_len = 2;
	tpdu(c, "\x80\x55\0\0\1a", 6, 0, 0x6110);		/* an answer that the foreign
								   card keeps is fetched from it */
	set_answer(16);
	tpdu(c, "\0\xC0\0\0\x10", 5, 16, 0x9000);
	asked("\0\xC0\0\0\x10", 5);
	assert_int_equal(sim_card_complaints(c), 0);
	sim_card_free(c);
}

static void test_working(void **state)
{
	static const uint8_t block[] = { 0, 0, 5, 0, 0xB0, 0, 0, 2, 0xB7 };
	struct sim_card *c = far_on(""), *saved;

	(void)state;
	set_answer(2);
	far.apdu = SIM_FOREIGN_WORKING;
	saved = sim_card_save(c);
	assert_int_equal(sim_card_t1_block(c, block, sizeof block, out, &out_len, &work), SIM_CARD_MUTE);
	assert_int_equal(sim_card_foreign_state(c), SIM_FOREIGN_WORKING);
	assert_true(sim_card_foreign_works(c));
	sim_card_undo(c, saved);
	far.apdu = SIM_FOREIGN_DONE;
	assert_int_equal(sim_card_t1_block(c, block, sizeof block, out, &out_len, &work), SIM_CARD_OK);
	assert_int_equal(far.again, 1);
	assert_int_equal(out_len, 8);
	assert_int_equal(out[1], 0);		/* N(S) 0: the first command was not executed */
	assert_int_equal(sim_card_complaints(c), 0);
	free(saved);
	sim_card_free(c);
}

static void test_mute(void **state)
{
	struct sim_card *c = far_on("own-atr t0");
	size_t len;

	(void)state;
	far.apdu = SIM_FOREIGN_MUTE;
	assert_int_equal(sim_card_t0_tpdu(c, (const uint8_t *)"\0\x84\0\0\4", 5, out, &out_len, &work), SIM_CARD_MUTE);
	far.apdu = SIM_FOREIGN_DONE;
	set_answer(4);
	assert_int_equal(sim_card_t0_tpdu(c, (const uint8_t *)"\0\x84\0\0\4", 5, out, &out_len, &work), SIM_CARD_MUTE);
	assert_int_equal(far.asked, 1);		/* mute until the reset */
	sim_card_reset(c, 0, false, &len);
	tpdu(c, "\0\x84\0\0\4", 5, 4, 0x9000);
	far.out_len = 1;			/* no SW: no answer */
	assert_int_equal(sim_card_t0_tpdu(c, (const uint8_t *)"\0\x84\0\0\4", 5, out, &out_len, &work), SIM_CARD_MUTE);
	assert_int_equal(sim_card_complaints(c), 0);
	sim_card_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_atr),
		cmocka_unit_test(test_t0),
		cmocka_unit_test(test_working),
		cmocka_unit_test(test_mute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
