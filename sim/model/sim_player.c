/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A player: stands between the endpoints and the model and answers with the bytes of a real reader
 * (tests/field). */
#include "sim/model/sim_dev_priv.h"

#include <string.h>

const struct sim_player *sim_dev_player(const struct sim_dev *d, void **user)
{
	*user = d->player_user;
	return d->player;
}

void sim_dev_set_player(struct sim_dev *d, const struct sim_player *p, void *user)
{
	d->player = p;
	d->player_user = user;
}

bool sim_player_message(struct sim_iface *f, const uint8_t *p, size_t len)
{
	const struct sim_player *play = f->d->player;

	return play && play->message && play->message(f->d->player_user, f->index, p, len);
}

bool sim_player_request(struct sim_iface *f, struct sim_urb *u)
{
	struct sim_dev *d = f->d;
	struct sim_reply r = { 0 };
	size_t room = sim_get16(u->setup + 6);

	if (!d->player || !d->player->request ||
	    !d->player->request(d->player_user, f->index, u->setup, u->buf, &r))
		return false;
	if (u->setup[0] & 0x80) {
		u->actual = r.len < room ? r.len : room;
		if (u->actual)
			memcpy(u->buf, r.data, u->actual);
	}
	if (r.silent)
		sim_complete_at(d, u, SIM_OK, UINT64_MAX);
	else
		sim_complete_at(d, u, r.stall ? SIM_STALL : SIM_OK, d->now + r.after_ns + 2 * d->conf.packet_ns);
	return true;
}

void sim_player_sent(struct sim_iface *f, bool interrupt, const uint8_t *p, size_t len)
{
	const struct sim_player *play = f->d->player;

	if (play && play->sent)
		play->sent(f->d->player_user, f->index, interrupt, p, len);
}

enum sim_status sim_player_out(struct sim_iface *f, const struct sim_urb *u)
{
	const struct sim_player *play = f->d->player;

	return play && play->out ? play->out(f->d->player_user, f->index, u->buf, u->len) : SIM_OK;
}

bool sim_player_alone(const struct sim_dev *d)
{
	return d->player && d->player->alone;
}

void sim_dev_say_part(struct sim_dev *d, unsigned interface, const uint8_t *p, size_t len, bool open, uint64_t at)
{
	struct sim_iface *f = &d->iface[interface];
	struct sim_msg *m = sim_alloc(sizeof *m);

	m->data = sim_alloc(len + 1);
	if (len)
		memcpy(m->data, p, len);
	m->len = len;
	m->slot = len > 5 ? p[5] : 0;
	m->stale = true;	/* an abort of the model does not concern the player */
	m->zlp = !open && len && len % f->conf->packet == 0;
	sim_emit(f, m, at);
}

void sim_dev_say(struct sim_dev *d, unsigned interface, const uint8_t *p, size_t len, uint64_t at)
{
	sim_dev_say_part(d, interface, p, len, d->conf.no_zlp, at);
}

static void fire_notify(struct sim_dev *d, struct sim_event *e)
{
	struct sim_iface *f = e->f;
	struct sim_msg **p = &f->notices;

	(void)d;
	while (*p)
		p = &(*p)->next;
	e->msg->next = NULL;
	*p = e->msg;
	sim_pump_intr(f);
}

static void notify_at(struct sim_dev *d, unsigned interface, struct sim_msg *m, uint64_t at)
{
	struct sim_event *e = sim_at(d, at < d->now ? d->now : at, fire_notify);
	e->f = &d->iface[interface];
	e->slot = SIM_MAX_SLOTS;	/* of no slot: no abort withdraws it */
	e->msg = m;
}

void sim_dev_notify(struct sim_dev *d, unsigned interface, const uint8_t *p, size_t len, uint64_t at)
{
	struct sim_msg *m = sim_alloc(sizeof *m);

	m->data = sim_dup(p, len);
	m->len = len;
	notify_at(d, interface, m, at);
}

void sim_dev_fail(struct sim_dev *d, unsigned interface, bool interrupt, int status, uint64_t at)
{
	struct sim_msg *m = sim_alloc(sizeof *m);

	m->data = sim_alloc(1);
	m->status = status;
	m->stale = true;
	if (interrupt)
		notify_at(d, interface, m, at);
	else
		sim_emit(&d->iface[interface], m, at);
}

void sim_player_plugged(struct sim_dev *d)
{
	if (d->player && d->player->plugged)
		d->player->plugged(d->player_user);
}

void sim_player_free(struct sim_dev *d)
{
	if (d->player && d->player->free)
		d->player->free(d->player_user);
}

struct sim_msg *sim_take_notice(struct sim_iface *f)
{
	struct sim_msg *m = f->notices;

	if (m)
		f->notices = m->next;
	return m;
}

static void fire_call(struct sim_dev *d, struct sim_event *e)
{
	(void)d;
	e->call(e->call_user);
}

void sim_dev_call_at(struct sim_dev *d, uint64_t at, void (*call)(void *user), void *user)
{
	struct sim_event *e = sim_at(d, at < d->now ? d->now : at, fire_call);

	e->slot = SIM_MAX_SLOTS;
	e->call = call;
	e->call_user = user;
}
