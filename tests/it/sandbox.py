#!/usr/bin/env python3
"""Runs a command as uid 65534 under a seccomp filter that kills it for anything that needs privileges or other programs.

usage: sandbox.py PROGRAM [ARGUMENT ...]

Killed: the mount family, unshare, setns, chroot, pivot_root, clone with a CLONE_NEW* flag, and every execve but the one
that starts PROGRAM. clone3 answers ENOSYS, so that threads fall back to clone, whose flags a filter can see.
The one execve is told from all others by the address of its path, which is the launcher's and means nothing afterwards.
"""
import ctypes
import os
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)

# Numbers of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl).
FORBIDDEN = {
    "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166, "unshare": 272, "setns": 308, "execveat": 322,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "mount_setattr": 442,
}
CLONE, EXECVE, CLONE3 = 56, 59, 435
CLONE_NEW = 0x7E020080  # every CLONE_NEW* flag, CLONE_NEWTIME's bit included

AUDIT_ARCH_X86_64 = 0xC000003E
ALLOW, KILL, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050000 | 38
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06


def program(path_address):
    code = []

    def step(operation, value, true=0, false=0):
        code.append(struct.pack("HBBI", operation, true, false, value & 0xFFFFFFFF))

    step(LOAD, 4)  # seccomp_data.arch
    step(EQUAL, AUDIT_ARCH_X86_64, 1, 0)
    step(RETURN, KILL)
    step(LOAD, 0)  # seccomp_data.nr
    for number in FORBIDDEN.values():
        step(EQUAL, number, 0, 1)
        step(RETURN, KILL)
    step(EQUAL, CLONE3, 0, 1)
    step(RETURN, ENOSYS)
    step(EQUAL, CLONE, 0, 4)
    step(LOAD, 16)  # low half of the first argument
    step(ANY_BIT, CLONE_NEW, 0, 1)
    step(RETURN, KILL)
    step(RETURN, ALLOW)
    step(EQUAL, EXECVE, 0, 5)
    step(LOAD, 16)
    step(EQUAL, path_address, 0, 2)
    step(LOAD, 20)  # high half
    step(EQUAL, path_address >> 32, 1, 0)
    step(RETURN, KILL)
    step(RETURN, ALLOW)
    return b"".join(code), len(code)


def main():
    arguments = sys.argv[1:]
    path = ctypes.create_string_buffer(os.fsencode(arguments[0]))
    argv = (ctypes.c_char_p * (len(arguments) + 1))(*map(os.fsencode, arguments), None)
    environment = [os.fsencode(f"{name}={value}") for name, value in os.environ.items()]
    envp = (ctypes.c_char_p * (len(environment) + 1))(*environment, None)
    code, count = program(ctypes.addressof(path))
    code = ctypes.create_string_buffer(code)
    filter_ = struct.pack("HxxxxxxP", count, ctypes.addressof(code))
    filter_ = ctypes.create_string_buffer(filter_)

    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    if libc.prctl(38, 1, 0, 0, 0) != 0:  # PR_SET_NO_NEW_PRIVS
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(filter_)), 0, 0) != 0:  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")
    if os.environ.get("SANDBOX_CONTROL") == "unshare":
        libc.unshare(0x10000000)  # must not return
        os._exit(0)
    libc.execve(path, argv, envp)
    os._exit(126)


main()
