# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program that talks to a reader through usbfs itself, for tests of ccid-sim record.

    recorded.py CASE FOLDER           the program: one of the functions below; fails when the case was not as it says
    recorded.py has FILE NUMBER       FILE is a complete recording of the requests 0 to NUMBER - 1
    recorded.py start SIGNAL FOLDER   a recorder that gets SIGNAL while it starts: fails unless it ends as its command does

Each request has a number, so that a request without a place in the recording shows."""

import ctypes
import fcntl
import glob
import os
import re
import signal
import socket
import subprocess
import sys
import time

GET_CLOCK_FREQUENCIES = 0x02
FEW, MANY = 3, 1500
PROGRAMS = 40


class Control(ctypes.Structure):
    """struct usbdevfs_ctrltransfer"""
    _fields_ = [("type", ctypes.c_uint8), ("request", ctypes.c_uint8), ("value", ctypes.c_uint16),
                ("index", ctypes.c_uint16), ("length", ctypes.c_uint16), ("timeout", ctypes.c_uint32),
                ("data", ctypes.c_void_p)]


def number_of(direction, number, size):
    """The number of an ioctl of usbfs, as most architectures make it."""
    return direction << 30 | size << 16 | ord("U") << 8 | number


CONTROL = number_of(3, 0, ctypes.sizeof(Control))
GET_CAPABILITIES = number_of(2, 26, 4)


def request(node, number):
    """The recorder sees the request, whatever becomes of it."""
    buffer = ctypes.create_string_buffer(4)
    control = Control(0xA1, GET_CLOCK_FREQUENCIES, number, 0, 4, 1000, ctypes.addressof(buffer))
    try:
        fcntl.ioctl(node, CONTROL, bytes(control))
    except OSError:
        pass


def opened(path):
    node = os.open(path, os.O_RDWR)
    try:
        fcntl.ioctl(node, GET_CAPABILITIES, bytes(4))
    except OSError:
        pass
    return node


def reader():
    """The node of the reader, None when sysfs shows none."""
    for path in glob.glob("/sys/bus/usb/devices/*/idVendor"):
        try:
            with open(path) as vendor, open(path[:-8] + "busnum") as bus, open(path[:-8] + "devnum") as device:
                if vendor.read().strip() == "08e6":
                    return "/dev/bus/usb/%03d/%03d" % (int(bus.read()), int(device.read()))
        except OSError:
            pass
    return None


def requests(node, first, number):
    for i in range(first, first + number):
        request(node, i)


def connection():
    """The descriptor of the connection to the recorder."""
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as s:
                if s.getpeername() == os.environ["CCID_SIM_RECORD"]:
                    return int(name)
        except OSError:
            pass
    raise RuntimeError("no connection to the recorder")


def writer():
    """The process of the recorder that writes the file: the other child of this program's parent."""
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="latin-1") as f:
                pid, rest = re.fullmatch(r"(\d+) \(.*\) (.*)\n", f.read()).groups()
        except OSError:
            continue
        if int(rest.split()[1]) == os.getppid() and int(pid) != os.getpid():
            return int(pid)
    raise RuntimeError("no process writes the recording")


def with_signals():
    """From now on a signal every 2 ms, which interrupts what waits."""
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)


def pause_writer():
    """The recorder reads nothing for a second: a program that has more to tell waits."""
    pid = writer()
    os.kill(pid, signal.SIGSTOP)
    if os.fork() == 0:
        time.sleep(1)
        os.kill(pid, signal.SIGCONT)
        os._exit(0)


# --- cases ---

def interrupted(_):
    """Signals interrupt the program while it waits for the recorder to read."""
    node = opened(reader())
    pause_writer()
    with_signals()
    requests(node, 0, MANY)
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.wait()


def crowded(_):
    """Many programs at once, and signals interrupt them while they wait for a connection."""
    pause_writer()
    for i in range(PROGRAMS):
        if os.fork() == 0:
            with_signals()
            request(opened(reader()), i)
            os._exit(0)
    for _ in range(PROGRAMS + 1):
        os.wait()


def closed(_):
    """A program that becomes a daemon closes all descriptors."""
    node = opened(reader())
    requests(node, 0, FEW)
    os.close(connection())
    requests(node, FEW, FEW)


def file(folder):
    """The connection's number becomes that of a file."""
    node = opened(reader())
    requests(node, 0, FEW)
    with open(folder + "/other", "w+b", buffering=0) as other:
        number = connection()
        os.dup2(other.fileno(), number)
        requests(node, FEW, FEW)
        assert os.path.samestat(os.fstat(number), os.fstat(other.fileno())), "the recorder closed a file of the program"
        assert os.fstat(number).st_size == 0, "the recorder wrote to a file of the program"


def stranger(_):
    """The connection's number becomes that of another socket."""
    node = opened(reader())
    requests(node, 0, FEW)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    number = connection()
    os.dup2(ours.fileno(), number)
    requests(node, FEW, FEW)
    assert os.path.samestat(os.fstat(number), os.fstat(ours.fileno())), "the recorder closed a socket of the program"
    theirs.setblocking(False)
    try:
        raise AssertionError("another socket got " + theirs.recv(1000).hex())
    except BlockingIOError:
        pass


def opened_early():
    """A node that is there, and opened, before sysfs has its reader. Returns where the node is, and where the reader's
    is once it is plugged in: a kernel gives it the next address, nearly always."""
    folder, address = os.path.split(reader())
    path = "%s/%03d" % (folder, int(address) + 1)
    sim("unplug", 0)
    early = os.open(folder + "/../early", os.O_RDWR | os.O_CREAT)
    os.rename(folder + "/../early", path)
    try:
        fcntl.ioctl(early, GET_CAPABILITIES, bytes(4))
    except OSError:
        pass
    os.close(early)
    os.unlink(path)
    sim("plug", 0)
    for _ in range(500):
        if reader() and os.path.exists(reader()):
            break
        time.sleep(0.02)
    return path, reader()


def coming(_):
    """A reader that sysfs shows late."""
    for _ in range(3):
        early, late = opened_early()
        if early == late:
            break
    assert early == late, (early, late)
    requests(opened(late), 0, FEW)


def killed(folder):
    """Says where the recorder's socket is, and lives until it is killed."""
    requests(opened(reader()), 0, FEW)
    with open(folder + "/new", "w", encoding="utf-8") as said:
        said.write("%s %d %d\n" % (os.path.dirname(os.environ["CCID_SIM_RECORD"]), os.getppid(), writer()))
    os.rename(folder + "/new", folder + "/said")
    signal.pause()


def two(folder):
    """Another recorder starts and ends meanwhile, and a new process connects to the first."""
    requests(opened(reader()), 0, FEW)
    subprocess.run([os.environ["CCID_SIM"], "record", "-o", folder + "/other", "1:1", "--", "true"], check=False,
                   stderr=subprocess.DEVNULL)
    if os.fork() == 0:
        requests(opened(reader()), FEW, FEW)
        os._exit(0)
    os.wait()


# --- beside the recorder ---

def sim(*words):
    subprocess.run([os.environ["CCID_SIM"], *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def has(path, number):
    """The numbers in any order: the recorder reads the connections of several programs in turn."""
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("begin\n")[-1].splitlines()
    found = re.findall(r"^ctl A1 02 (..) (..)", "\n".join(lines), re.M)
    found = sorted(int(high + low, 16) for low, high in found)
    missing = sorted(set(range(int(number))) - set(found))
    if missing or len(found) != int(number) or lines[-1:] != ["end %d lines" % (len(lines) - 1)]:
        sys.exit("# %s: %d requests, without %s; at the end: %s" % (path, len(found), missing[:20], lines[-1:]))


def is_waiting(pid):
    with open("/proc/%d/stat" % pid, encoding="latin-1") as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "S"


def start(name, folder):
    """The recorder opens its file, a pipe, and waits for the reading end, which is not there yet."""
    path = folder + "/pipe"
    number = getattr(signal, "SIG" + name)
    os.mkfifo(path)
    # A test in the background may have inherited that the signal is ignored.
    signal.signal(number, signal.SIG_DFL)
    recorder = subprocess.Popen([os.environ["CCID_SIM"], "record", "-o", path, "08e6:3437", "--", "sleep", "60"],
                                stderr=subprocess.PIPE)
    steady = 0
    for _ in range(500):
        steady = steady + 1 if is_waiting(recorder.pid) else 0
        if steady == 10:
            break
        time.sleep(0.02)
    recorder.send_signal(number)
    # Opened without waiting: a recorder that is dead by now never opens its end.
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    said = recorder.communicate(timeout=30)[1].decode()
    os.close(reading)
    os.unlink(path)
    if recorder.returncode != 128 + number or "opened no reader" not in said:
        sys.exit("# status %d: %s" % (recorder.returncode, said))


globals()[sys.argv[1]](*sys.argv[2:])
