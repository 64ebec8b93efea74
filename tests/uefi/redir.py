#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A simulated reader for QEMU's usb-redir: this module is a USB/IP client of `ccid-sim usbip` on one side, and speaks
the usbredir protocol (version 0.7) on the other. One device for each object; it is plugged in when QEMU connects."""

import socket
import struct
import threading

HELLO, CONNECT, RESET, INTERFACE_INFO, EP_INFO = 0, 1, 3, 4, 5
SET_CONFIGURATION, GET_CONFIGURATION, CONFIGURATION_STATUS = 6, 7, 8
SET_ALT, GET_ALT, ALT_STATUS = 9, 10, 11
START_INTERRUPT, STOP_INTERRUPT, INTERRUPT_STATUS, CANCEL = 15, 16, 17, 21
CONTROL, BULK, INTERRUPT = 100, 101, 103
CAP_DEVICE_VERSION, CAP_MAX_PACKET, CAP_64_BIT_IDS, CAP_32_BIT_BULK = 1, 4, 5, 6
CAPS = 1 << CAP_DEVICE_VERSION | 1 << CAP_MAX_PACKET | 1 << CAP_64_BIT_IDS | 1 << CAP_32_BIT_BULK
STATUS = {0: 0, -104: 1, -2: 1, -22: 2, -32: 4, -110: 5, -75: 6}    # errno of Linux -> status of usbredir
IO_ERROR = 3
TYPES = {1: 1, 2: 2, 3: 3}      # bmAttributes -> kind of endpoint: the same numbers
NO_ENDPOINT = 255
SPEEDS = {1: 0, 2: 1, 3: 2, 5: 3}   # speed of USB/IP -> speed of usbredir
DIRECTION_IN = 0x80


def receive(from_socket, n):
    got = b""
    while len(got) < n:
        more = from_socket.recv(n - len(got))
        if not more:
            raise EOFError
        got += more
    return got


class UsbIp:
    """The device BUSID of the server; done(status, data) is called when an URB ends."""

    def __init__(self, port, busid):
        self.lock = threading.Lock()
        self.number = 0
        self.urbs = {}
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(struct.pack(">HHI32s", 0x0111, 0x8003, 0, busid.encode()))
        status = struct.unpack(">HHI", receive(self.socket, 8))[2]
        if status:
            raise OSError(f"USB/IP refuses {busid}")
        device = receive(self.socket, 312)
        _, _, speed, self.vendor, self.product, self.version = struct.unpack(">IIIHHH", device[288:306])
        self.device_class = device[306:309]
        self.speed = SPEEDS.get(speed, 1)
        threading.Thread(target=self.serve, daemon=True).start()

    def submit(self, endpoint, length, data, setup, done):
        incoming = bool(endpoint & DIRECTION_IN)
        with self.lock:
            self.number += 1
            number = self.number
            self.urbs[number] = (incoming, done)
            self.socket.sendall(struct.pack(">IIIIIIIIII8s", 1, number, 0, incoming, endpoint & 15, 0, length, 0,
                                            0, 0, setup) + (b"" if incoming else data))
        return number

    def unlink(self, number):
        with self.lock:
            self.number += 1
            self.socket.sendall(struct.pack(">IIIIII24x", 2, self.number, 0, 0, 0, number))
            return self.number

    def serve(self):
        try:
            while True:
                kind, number, _, _, _, status, length = struct.unpack(">IIIIIiI20x", receive(self.socket, 48))
                if kind != 3:
                    continue
                incoming, done = self.urbs.pop(number, (False, None))
                data = receive(self.socket, length) if incoming and length else b""
                if done:
                    done(STATUS.get(status, IO_ERROR), data if incoming else length)
        except (EOFError, OSError):
            pass

    def control(self, kind, request, value, index, length):
        """Waits for the data; only from a thread that is not the device's own."""
        ended, result = threading.Event(), []

        def done(status, data):
            result.extend((status, data))
            ended.set()
        self.submit(kind & DIRECTION_IN, length, b"", struct.pack("<BBHHH", kind, request, value, index, length), done)
        if not ended.wait(10):
            raise OSError("USB/IP: no answer")
        return result[1] if result[0] == 0 else b""


class Redirected:
    """Serves one connection of QEMU at `path`."""

    def __init__(self, path, port, busid):
        self.lock = threading.Lock()
        self.state = threading.RLock()
        self.device = UsbIp(port, busid)
        self.urbs = {}          # by usbredir's id
        self.answered = {}      # the last data from each bulk pipe: (usbredir's id, data)
        self.kept = {}          # by endpoint: data that came for a transfer which QEMU had cancelled
        self.interrupts = {}    # running, by endpoint
        self.wide = False       # ids of 64 bits, from the hellos on
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.send(HELLO, 0, struct.pack("<64sI", b"ccid-sim", CAPS))
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        for s in (self.socket, self.device.socket):
            s.shutdown(socket.SHUT_RDWR)
            s.close()

    def send(self, kind, number, body):
        head = struct.pack("<IIQ" if self.wide else "<III", kind, len(body), number)
        with self.lock:
            try:
                self.socket.sendall(head + body)
            except OSError:
                pass

    def serve(self):
        try:
            while True:
                kind, length, number = struct.unpack("<IIQ" if self.wide else "<III",
                                                     receive(self.socket, 16 if self.wide else 12))
                self.take(kind, number, receive(self.socket, length))
        except (EOFError, OSError):
            pass

    def take(self, kind, number, body):
        if kind == HELLO:
            caps = struct.unpack("<I", body[64:68])[0] if len(body) >= 68 else 0
            self.wide = bool(caps >> CAP_64_BIT_IDS & 1)
            self.wide_bulk = bool(caps >> CAP_32_BIT_BULK & 1)
            self.plug()
        elif kind == SET_CONFIGURATION:
            self.device.control(0, 9, body[0], 0, 0)
            self.tell_interfaces()
            self.send(CONFIGURATION_STATUS, number, bytes([0, body[0]]))
        elif kind == GET_CONFIGURATION:
            self.send(CONFIGURATION_STATUS, number, bytes([0, self.configuration[5]]))
        elif kind in (SET_ALT, GET_ALT):
            self.send(ALT_STATUS, number, bytes([0, body[0], 0]))
        elif kind == START_INTERRUPT:
            self.interrupts[body[0]] = True
            self.send(INTERRUPT_STATUS, number, bytes([0, body[0]]))
            self.read_interrupt(body[0])
        elif kind == STOP_INTERRUPT:
            urb = self.interrupts.pop(body[0], None)
            if urb:
                self.device.unlink(urb)
            self.send(INTERRUPT_STATUS, number, bytes([0, body[0]]))
        elif kind == CANCEL:
            self.cancel(number)
        elif kind == CONTROL:
            self.control(number, body)
        elif kind == BULK:
            self.bulk(number, body)

    def plug(self):
        d = self.device
        head = d.control(0x80, 6, 0x0200, 0, 9)
        self.configuration = d.control(0x80, 6, 0x0200, 0, int.from_bytes(head[2:4], "little"))
        self.tell_interfaces()
        self.send(CONNECT, 0, struct.pack("<B3sHHH", d.speed, d.device_class, d.vendor, d.product, d.version))

    def tell_interfaces(self):
        kinds, intervals = [NO_ENDPOINT] * 32, [0] * 32
        owners, packets = [0] * 32, [0] * 32
        kinds[0] = kinds[16] = 0
        interfaces, p = [], self.configuration
        while len(p) >= 2 and p[0] >= 2:
            if p[1] == 4:
                interfaces.append((p[2], p[5], p[6], p[7]))
            elif p[1] == 5:
                at = (p[2] & DIRECTION_IN) >> 3 | p[2] & 15
                kinds[at] = TYPES[p[3] & 3]
                intervals[at], owners[at] = p[6], interfaces[-1][0]
                packets[at] = int.from_bytes(p[4:6], "little")
            p = p[p[0]:]
        columns = [bytes(column).ljust(32, b"\0") for column in zip(*interfaces)]
        self.send(INTERFACE_INFO, 0, struct.pack("<I", len(interfaces)) + b"".join(columns))
        self.send(EP_INFO, 0, bytes(kinds) + bytes(intervals) + bytes(owners) + struct.pack("<32H", *packets))

    def read_interrupt(self, endpoint):
        def done(status, data):
            if endpoint not in self.interrupts:
                return
            self.send(INTERRUPT, 0, struct.pack("<BBH", endpoint, status, len(data)) + data)
            if status == 0:
                self.read_interrupt(endpoint)
        self.interrupts[endpoint] = self.device.submit(endpoint, 64, b"", bytes(8), done)

    def control(self, number, body):
        endpoint, request, kind, _, value, index, length = struct.unpack("<BBBBHHH", body[:10])

        def done(status, data):
            with self.state:
                self.urbs.pop(number)
            came = data if kind & DIRECTION_IN else b""
            n = len(came) if kind & DIRECTION_IN else length
            self.send(CONTROL, number, struct.pack("<BBBBHHH", endpoint, request, kind, status, value, index, n) + came)
        with self.state:
            self.urbs[number] = self.device.submit(kind & DIRECTION_IN, length, body[10:],
                                                   struct.pack("<BBHHH", kind, request, value, index, length), done)

    def cancel(self, number):
        """QEMU ignores data for a cancelled transfer: the next transfer of the endpoint gets them, as from a pipe."""
        with self.state:
            if number in self.urbs:
                self.device.unlink(self.urbs[number])
                self.urbs[number] = 0
            for endpoint, (answered, data) in self.answered.items():
                if answered == number and data:
                    self.kept[endpoint] = data

    def bulk(self, number, body):
        layout = "<BBHIH" if self.wide_bulk else "<BBHI"
        size = struct.calcsize(layout)
        endpoint, _, low, stream, *high = struct.unpack(layout, body[:size])
        incoming = bool(endpoint & DIRECTION_IN)
        length = low | (high[0] << 16 if high else 0)

        def done(status, data):
            with self.state:
                cancelled = self.urbs.pop(number) == 0
                if cancelled and incoming and status == 0:
                    self.kept[endpoint], status, data = data, 1, b""
                elif incoming:
                    self.answered[endpoint] = number, data
                came = data if incoming else b""
                n = len(came) if incoming else length
                self.send(BULK, number, struct.pack(layout, endpoint, status, n & 0xffff, stream,
                                                    *([n >> 16] if high else [])) + came)

        with self.state:
            if incoming and endpoint in self.kept:
                self.urbs[number] = -1
                done(0, self.kept.pop(endpoint))
            else:
                self.urbs[number] = self.device.submit(endpoint, length, body[size:], bytes(8), done)
