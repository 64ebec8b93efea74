/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/composite.h"

#include "slot/config_quirks.h"

#ifdef ENABLE_COMPOSITE_AS_MULTISLOT

enum ccid_err composite_resolve(struct usb_name *name, unsigned *number,
				const struct config *config)
{
	struct quirk_set q;

	if (name->interface < 0)
		return CCID_OK;
	config_quirks(config, &q, &(struct quirk_ids){ .idVendor = name->idVendor,
						      .idProduct = name->idProduct });
	if (!quirk_has(&q, QUIRK_COMPOSITE))
		return CCID_OK;
	if (name->interface != q.composite_first || *number >= q.composite_count)
		return CCID_ERR_NO_DEVICE;
	name->interface += (int)*number;
	*number = 0;
	return CCID_OK;
}

unsigned composite_slots(const struct reader *r)
{
	unsigned have = r->transport->ccid_interfaces;

	if (!quirk_has(&r->quirks, QUIRK_COMPOSITE))
		return r->n_slots;
	return r->quirks.composite_count < have ? r->quirks.composite_count : have;
}

#else

enum ccid_err composite_resolve(struct usb_name *name, unsigned *number,
				const struct config *config)
{
	(void)name;
	(void)number;
	(void)config;
	return CCID_OK;
}

unsigned composite_slots(const struct reader *r)
{
	return r->n_slots;
}

#endif
