# SPDX-License-Identifier: Apache-2.0
"""A thread that hangs, made of one that does not."""

import ctypes
import errno
import os
import signal
import threading


class StoppedThread:
    """Stops one thread of another process, as a debugger does; its other threads run on. Use as a context manager."""

    ATTACH, ALL_THREADS = 16, 0x40000000  # sys/ptrace.h, __WALL of sys/wait.h.

    def __init__(self, thread, test):
        self.thread, self.test = thread, test
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def __enter__(self):
        if self.libc.ptrace(self.ATTACH, self.thread, None, None) != 0:
            error = ctypes.get_errno()
            if error == errno.EPERM:
                self.test.skipTest("this machine lets nobody trace another process")
            raise OSError(error, os.strerror(error))
        os.waitpid(self.thread, self.ALL_THREADS)
        # A process cannot end before whoever traces one of its threads has heard of that thread's end.
        self.end = threading.Thread(target=self.awaitEnd)
        self.end.start()

    def awaitEnd(self):
        try:
            while os.WIFSTOPPED(os.waitpid(self.thread, self.ALL_THREADS)[1]):
                pass
        except ChildProcessError:
            pass

    def __exit__(self, *exception):
        try:
            os.kill(self.thread, signal.SIGKILL)
        except ProcessLookupError:
            pass  # As it should be.
        self.end.join()
