#include "driver_rig.h"
static void smoke(void **s)
{
	(void)s;
	rig_start(FAKE_VIRTUAL, RIG_TWO);
	rig_ready(0, 0, 1);
	rig_ready(1, 0, 1);
	for (unsigned i=0;i<100;i++) RIG_IS_FINE(rig_echo(i&1, i, i));
	print_message("%u ms\n", (unsigned)rig_ms());
	RIG_IS_FINE(IFDHCloseChannel(0));
	RIG_IS_FINE(IFDHCloseChannel(1));
	rig_stop();
}
static void smoke_t0(void **s)
{
	(void)s;
	rig_start(FAKE_REAL, "reader one\ncard 0 = t0\n");
	rig_ready(0, 0, 0);
	for (unsigned i=1;i<100;i++) RIG_IS_FINE(rig_echo(0, i, i));
	RIG_IS_FINE(IFDHCloseChannel(0));
	rig_stop();
}
int main(void)
{
	const struct CMUnitTest t[] = { cmocka_unit_test(smoke), cmocka_unit_test(smoke_t0) };
	return cmocka_run_group_tests(t, NULL, NULL);
}
