"""System calls that a process which opens foreign media has no use for, refused by the kernel (seccomp).

What is not listed is allowed, but for calls that are newer than the list. Refused calls fail with EPERM, so that a
library that merely tries one goes on; a program for another kind of machine is ended.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from typing import Final

_MACHINES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""The kernel's name of each, and its column in the lists below."""

_REFUSED: Final[dict[str, tuple[int | None, int | None]]] = {
    # the network, and other processes' sockets
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242),
    # programs, processes, and what they hold
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "process_mrelease": (448, 448), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424), "kcmp": (312, 272), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "setsid": (112, 157), "setpgid": (109, 154),
    # large and seldom used parts of the kernel
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "modify_ldt": (154, None), "personality": (135, 92),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "fanotify_init": (300, 262), "inotify_init": (253, None),
    "inotify_init1": (294, 26), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # other views of the file system
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "setns": (308, 268),
    "unshare": (272, 97), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    # whose files are, who may read them, and when they were written: Landlock holds none of these
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, None), "fchown": (93, 55),
    "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "utime": (132, None),
    "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "mknod": (133, None), "mknodat": (259, 33), "link": (86, None), "linkat": (265, 37), "symlink": (88, None),
    "symlinkat": (266, 36),
    # memory and messages that are shared by number
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "msgget": (68, 186), "msgsnd": (69, 189),
    "msgrcv": (70, 188), "msgctl": (71, 187), "semget": (64, 190), "semop": (65, 193), "semtimedop": (220, 192),
    "semctl": (66, 191), "mq_open": (240, 180), "mq_unlink": (241, 181),
    # the machine, and whose process this is
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116),
    "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170), "adjtimex": (159, 171),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "iopl": (172, None), "ioperm": (173, None),
    "vhangup": (153, 58), "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143),
    "setresuid": (117, 147), "setresgid": (119, 149), "setgroups": (116, 159), "setfsuid": (122, 151),
    "setfsgid": (123, 152), "capset": (126, 91), "setrlimit": (160, 164),
}  # fmt: skip
"""Numbers of x86_64 and aarch64; None where a machine has no such call."""

_CLONE, _CLONE3 = (56, 220), (435, 435)
_CLONE_THREAD: Final = 0x10000
_KILL, _TGKILL = (62, 129), (234, 131)
_SOCKETPAIR: Final = (53, 199)
_STREAM: Final = 1
"""The one kind of pair that event loops want. From one of datagrams, messages could go to any socket with a name."""
_IOCTL, _PRCTL, _PRLIMIT = (16, 29), (157, 167), (302, 261)
_TERMINALS_AND_FLAGS: Final = (0x5412, 0x541C, 0x40086602, 0x401C5820)
"""ioctl: TIOCSTI and TIOCLINUX type into the user's terminal; FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR change files."""
_OF_THE_PARENT: Final = (1, 4, 35, 0x59616D61)
"""prctl: PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_MM, PR_SET_PTRACER."""
_NEWER: Final = 452
"""From here on, numbers are of calls that were made after this list."""
_FOREIGN_ABI: Final = 0x40000000
"""Calls of x32 programs on x86_64."""

_ALLOW: Final = 0x7FFF0000
_END_PROCESS: Final = 0x80000000
_FAIL: Final = 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
_NO_NEW_PRIVS: Final = 38
_SET_SECCOMP, _FILTER, _GET_SECCOMP = 22, 2, 21

Instruction = tuple[int, int, int, int]
"""Code, how many instructions to skip if true and if false, operand."""


def available() -> bool:
    """Return True if the kernel filters system calls, and the machine's are known here."""
    if os.uname().sysname != "Linux" or platform.machine() not in _MACHINES:
        return False
    return int(ctypes.CDLL(None, use_errno=True).prctl(_GET_SECCOMP, 0, 0, 0, 0)) >= 0


def give_up_privileges() -> None:
    """No program that this process starts can have more rights than it has; sandboxes ask for this first."""
    if ctypes.CDLL(None, use_errno=True).prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")


def refuse() -> None:
    """Give up the calls for good. Threads that run keep them, so there must be none.

    Raises: OSError - the kernel refuses.
    """
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in _program(platform.machine(), os.getpid()))
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))

    give_up_privileges()
    program = Program(len(code) // 8, ctypes.addressof(buffer))
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def _program(machine: str, process: int) -> list[Instruction]:
    name, column = _MACHINES[machine]
    program: list[Instruction] = [
        (_LOAD, 0, 0, _MACHINE), (_EQUAL, 1, 0, name), (_RETURN, 0, 0, _END_PROCESS),
        (_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, _FOREIGN_ABI), (_RETURN, 0, 0, _END_PROCESS),
        (_AT_LEAST, 0, 1, _NEWER), (_RETURN, 0, 0, _FAIL | errno.ENOSYS),
        (_EQUAL, 0, 1, _CLONE3[column]), (_RETURN, 0, 0, _FAIL | errno.ENOSYS),  # whose flags lie in memory
    ]  # fmt: skip
    for numbers in _REFUSED.values():
        if (number := numbers[column]) is not None:
            program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _FAIL | errno.EPERM)]
    program += _unless(_CLONE[column], 0, [(_ANY_BIT, 1, 0, _CLONE_THREAD)])
    program += _unless(_SOCKETPAIR[column], 1, [(_AND, 0, 0, 0xF), (_EQUAL, 1, 0, _STREAM)])
    for number in (_KILL[column], _TGKILL[column]):
        program += _unless(number, 0, [(_EQUAL, 1, 0, process)])
    program += _where(_IOCTL[column], 1, _TERMINALS_AND_FLAGS)
    program += _where(_PRCTL[column], 0, _OF_THE_PARENT)
    # limits may be read, not set: the third argument is where the new ones lie
    low, high = (_ARGUMENTS + 8 * 2 + half for half in (0, 4))
    body = [(_LOAD, 0, 0, low), (_EQUAL, 0, 2, 0), (_LOAD, 0, 0, high), (_EQUAL, 1, 0, 0)]
    program += list(_block(_PRLIMIT[column], [*body, (_RETURN, 0, 0, _FAIL | errno.EPERM)]))
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def _unless(number: int, argument: int, test: list[Instruction]) -> list[Instruction]:
    """Refuse a call unless a test of one of its arguments, which skips one instruction if true, passes."""
    load = (_LOAD, 0, 0, _ARGUMENTS + 8 * argument)
    return list(_block(number, [load, *test, (_RETURN, 0, 0, _FAIL | errno.EPERM)]))


def _where(number: int, argument: int, values: tuple[int, ...]) -> list[Instruction]:
    """Refuse a call with any of some values as an argument."""
    body: list[Instruction] = [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument)]
    for value in values:
        body += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _FAIL | errno.EPERM)]
    return list(_block(number, body))


def _block(number: int, body: list[Instruction]) -> Iterator[Instruction]:
    """Instructions for one call; behind them it is allowed, for its number is not in the register any more."""
    yield _EQUAL, 0, len(body) + 1, number
    yield from body
    yield _RETURN, 0, 0, _ALLOW
