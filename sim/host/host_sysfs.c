/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sysfs tree of the simulated bus, as the kernel shows USB devices, and the device nodes. */
#define _GNU_SOURCE
#include "sim/host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define HUB "/devices/platform/ccid-sim/usb1"
#define USB_MAJOR 189u
#define SYSFS_PATH 256	/* longer than any path made here */

static const uint8_t root_hub[] = {
	18, 1, 0x00, 0x02, 9, 0, 1, 64, 0x6b, 0x1d, 0x02, 0x00, 0x01, 0x00, 3, 2, 1, 1,
	9, 2, 25, 0, 1, 1, 0, 0xe0, 0,
	9, 4, 0, 0, 1, 9, 0, 0, 0,
	7, 5, 0x81, 3, 4, 0, 12,
};

/* Makes all folders of a path; the last part too. */
static int make_dirs(const char *path)
{
	char part[SYSFS_PATH];

	snprintf(part, sizeof part, "%s", path);
	for (size_t i = 1; part[i]; i++) {
		if (part[i] != '/')
			continue;
		part[i] = 0;
		if (mkdir(part, 0755) && errno != EEXIST)
			return -1;
		part[i] = '/';
	}
	return mkdir(part, 0755) && errno != EEXIST ? -1 : 0;
}

static int sysfs_write(const char *dir, const char *name, const void *data, size_t len)
{
	char path[2 * SYSFS_PATH];
	ssize_t r;
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	r = write(fd, data, len);
	close(fd);
	return r == (ssize_t)len ? 0 : -1;
}

__attribute__((format(printf, 3, 4)))
static int putf(const char *dir, const char *name, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return sysfs_write(dir, name, text, (size_t)n);
}

__attribute__((format(printf, 2, 3)))
static int link_to(const char *target, const char *fmt, ...)
{
	char path[SYSFS_PATH];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof path, fmt, ap);
	va_end(ap);
	return symlink(target, path);
}

void host_interfaces(struct host_port *port)
{
	size_t len;
	const uint8_t *p = sim_dev_descriptors(port->dev, &len);
	unsigned n = 0;

	for (size_t i = 18; i + 2 <= len && p[i] >= 2 && i + p[i] <= len; i += p[i])
		if (p[i + 1] == 4 && p[i] >= 9 && p[i + 3] == 0 && n < HOST_MAX_INTERFACES)
			memcpy(port->faces[n++], p + i, 9);
	port->n_faces = n;
}

void host_sysfs_path(const struct host_port *p, int i, char *buf, size_t cap)
{
	if (i < 0)
		snprintf(buf, cap, HUB "/%u-%u", HOST_BUS, p->number);
	else
		snprintf(buf, cap, HUB "/%u-%u/%u-%u:1.%d", HOST_BUS, p->number, HOST_BUS, p->number, i);
}

static unsigned minor_of(unsigned device)
{
	return (HOST_BUS - 1) * 128 + device - 1;
}

size_t host_properties(const struct host_port *p, const uint8_t *interface, char *buf, size_t cap)
{
	size_t len;
	const uint8_t *d = sim_dev_descriptors(p->dev, &len);
	char product[32], type[16];
	int n;

	snprintf(product, sizeof product, "%x/%x/%x", sim_dev_vendor(p->dev), sim_dev_product(p->dev),
		 d[12] | d[13] << 8);
	snprintf(type, sizeof type, "%u/%u/%u", d[4], d[5], d[6]);
	if (interface)
		n = snprintf(buf, cap, "DEVTYPE=usb_interface\nPRODUCT=%s\nTYPE=%s\nINTERFACE=%u/%u/%u\n"
			     "MODALIAS=usb:v%04Xp%04Xd%02X%02Xdc%02Xdsc%02Xdp%02Xic%02Xisc%02Xip%02Xin%02X\n",
			     product, type, interface[5], interface[6], interface[7], sim_dev_vendor(p->dev),
			     sim_dev_product(p->dev), d[13], d[12], d[4], d[5], d[6], interface[5], interface[6],
			     interface[7], interface[2]);
	else
		n = snprintf(buf, cap, "MAJOR=%u\nMINOR=%u\nDEVNAME=bus/usb/%03u/%03u\nDEVTYPE=usb_device\n"
			     "DRIVER=usb\nPRODUCT=%s\nTYPE=%s\nBUSNUM=%03u\nDEVNUM=%03u\n", USB_MAJOR,
			     minor_of(p->device), HOST_BUS, p->device, product, type, HOST_BUS, p->device);
	return (size_t)n < cap ? (size_t)n : cap;
}

static void put_string(const char *dir, const char *name, const char *text)
{
	if (text && *text)
		putf(dir, name, "%s\n", text);
}

/* The attributes that mirror the descriptors. d: at least the device and configuration descriptors. */
static int put_device(const char *dir, const uint8_t *d, size_t len, unsigned device, unsigned speed)
{
	int r = sysfs_write(dir, "descriptors", d, len);

	r |= putf(dir, "busnum", "%u\n", HOST_BUS);
	r |= putf(dir, "devnum", "%u\n", device);
	r |= putf(dir, "dev", "%u:%u\n", USB_MAJOR, minor_of(device));
	r |= putf(dir, "speed", "%s\n", speed == 3 ? "480" : "12");
	r |= putf(dir, "version", " %x.%02x\n", d[3], d[2]);
	r |= putf(dir, "bDeviceClass", "%02x\n", d[4]);
	r |= putf(dir, "bDeviceSubClass", "%02x\n", d[5]);
	r |= putf(dir, "bDeviceProtocol", "%02x\n", d[6]);
	r |= putf(dir, "bMaxPacketSize0", "%u\n", d[7]);
	r |= putf(dir, "idVendor", "%02x%02x\n", d[9], d[8]);
	r |= putf(dir, "idProduct", "%02x%02x\n", d[11], d[10]);
	r |= putf(dir, "bcdDevice", "%02x%02x\n", d[13], d[12]);
	r |= putf(dir, "bNumConfigurations", "%u\n", d[17]);
	r |= putf(dir, "authorized", "1\n");
	r |= putf(dir, "removable", "removable\n");
	if (len < 27)
		return r;
	r |= putf(dir, "bConfigurationValue", "%u\n", d[23]);
	r |= putf(dir, "bNumInterfaces", "%2u\n", d[22]);
	r |= putf(dir, "bmAttributes", "%02x\n", d[25]);
	r |= putf(dir, "bMaxPower", "%umA\n", 2u * d[26]);
	return r;
}

static int put_power(const char *dir)
{
	char sub[SYSFS_PATH + sizeof "/power"];

	snprintf(sub, sizeof sub, "%s/power", dir);
	return make_dirs(sub) | putf(sub, "control", "auto\n") | putf(sub, "persist", "1\n");
}

static int add_interface(const struct host_port *p, const uint8_t *f)
{
	char path[160], dir[SYSFS_PATH], target[SYSFS_PATH], text[512];
	size_t n;
	int r;

	host_sysfs_path(p, f[2], path, sizeof path);
	snprintf(dir, sizeof dir, "/sys%s", path);
	r = make_dirs(dir);
	r |= putf(dir, "bInterfaceNumber", "%02x\n", f[2]);
	r |= putf(dir, "bAlternateSetting", "%2u\n", f[3]);
	r |= putf(dir, "bNumEndpoints", "%02x\n", f[4]);
	r |= putf(dir, "bInterfaceClass", "%02x\n", f[5]);
	r |= putf(dir, "bInterfaceSubClass", "%02x\n", f[6]);
	r |= putf(dir, "bInterfaceProtocol", "%02x\n", f[7]);
	put_string(dir, "interface", f[8] ? sim_dev_string(p->dev, f[8]) : NULL);
	n = host_properties(p, f, text, sizeof text);
	r |= sysfs_write(dir, "uevent", text, n);
	r |= link_to("../../../../../../bus/usb", "%s/subsystem", dir);
	snprintf(target, sizeof target, "../../..%s", path);
	r |= link_to(target, "/sys/bus/usb/devices/%s", strrchr(path, '/') + 1);
	return r;
}

/* The node only has to be there: programs that run here open simulated devices through the preloaded library. On
 * a tmpfs mounted nodev a real device with that number is out of reach. */
static int add_node(unsigned device)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/dev/bus/usb/%03u", HOST_BUS);
	if (make_dirs(path))
		return -1;
	snprintf(path, sizeof path, "/dev/bus/usb/%03u/%03u", HOST_BUS, device);
	if (!mknod(path, S_IFCHR | 0664, makedev(USB_MAJOR, minor_of(device))))
		return 0;
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0664);
	return fd < 0 ? -1 : close(fd);
}

static int add_links(const char *path, unsigned device)
{
	char target[SYSFS_PATH], name[64];
	int r;

	snprintf(target, sizeof target, "../../..%s", path);
	r = link_to(target, "/sys/bus/usb/devices/%s", strrchr(path, '/') + 1);
	snprintf(target, sizeof target, "../..%s", path);
	r |= link_to(target, "/sys/dev/char/%u:%u", USB_MAJOR, minor_of(device));
	/* udev's database: the device is initialised. */
	snprintf(name, sizeof name, "c%u:%u", USB_MAJOR, minor_of(device));
	return r | putf("/run/udev/data", name, "I:1\nE:ID_BUS=usb\n");
}

int host_sysfs_root(void)
{
	const char *dir = "/sys" HUB;
	int r;

	r = make_dirs("/sys/bus/usb/devices") | make_dirs("/sys/bus/usb/drivers") |
	    make_dirs("/sys/dev/char") | make_dirs("/sys/class") | make_dirs(dir);
	r |= put_device(dir, root_hub, sizeof root_hub, 1, 3) | add_node(1);
	r |= putf(dir, "uevent", "MAJOR=%u\nMINOR=0\nDEVNAME=bus/usb/001/001\nDEVTYPE=usb_device\n"
		  "DRIVER=usb\nPRODUCT=1d6b/2/100\nTYPE=9/0/1\nBUSNUM=001\nDEVNUM=001\n", USB_MAJOR);
	r |= putf(dir, "devpath", "0\n") | putf(dir, "maxchild", "255\n");
	r |= putf(dir, "manufacturer", "ccid-sim\n") | putf(dir, "product", "Simulated Bus\n");
	r |= link_to("../../../../bus/usb", "%s/subsystem", dir) | add_links(HUB, 1) | put_power(dir);
	if (r)
		fprintf(stderr, "ccid-sim: cannot make /sys: %s\n", strerror(errno));
	return r ? -1 : 0;
}

int host_sysfs_add(const struct host_port *p)
{
	size_t len, n;
	const uint8_t *d = sim_dev_descriptors(p->dev, &len);
	char path[160], dir[SYSFS_PATH], text[512];
	int r;

	host_sysfs_path(p, -1, path, sizeof path);
	snprintf(dir, sizeof dir, "/sys%s", path);
	r = make_dirs(dir) | put_device(dir, d, len, p->device, sim_dev_speed(p->dev)) | put_power(dir);
	r |= putf(dir, "devpath", "%u\n", p->number) | putf(dir, "maxchild", "0\n");
	put_string(dir, "manufacturer", d[14] ? sim_dev_string(p->dev, d[14]) : NULL);
	put_string(dir, "product", d[15] ? sim_dev_string(p->dev, d[15]) : NULL);
	put_string(dir, "serial", d[16] ? sim_dev_string(p->dev, d[16]) : NULL);
	n = host_properties(p, NULL, text, sizeof text);
	r |= sysfs_write(dir, "uevent", text, n);
	r |= link_to("../../../../../bus/usb", "%s/subsystem", dir) | add_node(p->device);
	for (unsigned i = 0; i < p->n_faces; i++)
		r |= add_interface(p, p->faces[i]);
	return r | add_links(path, p->device) ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *s, int flag, struct FTW *f)
{
	(void)s;
	(void)flag;
	(void)f;
	return remove(path);
}

void host_sysfs_remove(const struct host_port *p)
{
	char path[160], name[SYSFS_PATH];

	for (unsigned i = 0; i < p->n_faces; i++) {
		host_sysfs_path(p, p->faces[i][2], path, sizeof path);
		snprintf(name, sizeof name, "/sys/bus/usb/devices/%s", strrchr(path, '/') + 1);
		unlink(name);
	}
	host_sysfs_path(p, -1, path, sizeof path);
	snprintf(name, sizeof name, "/sys/bus/usb/devices/%s", strrchr(path, '/') + 1);
	unlink(name);
	snprintf(name, sizeof name, "/sys/dev/char/%u:%u", USB_MAJOR, minor_of(p->device));
	unlink(name);
	snprintf(name, sizeof name, "/run/udev/data/c%u:%u", USB_MAJOR, minor_of(p->device));
	unlink(name);
	snprintf(name, sizeof name, "/dev/bus/usb/%03u/%03u", HOST_BUS, p->device);
	unlink(name);
	snprintf(name, sizeof name, "/sys%s", path);
	nftw(name, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
