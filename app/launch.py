"""Run a program that dies with its parent: `python launch.py SIGNAL PARENT UID GID PROGRAM ARGUMENT…`.

A process of its own does this, not a hook between fork and exec, because such hooks can deadlock in a program that
has threads. It changes the account first: changing it later would make Linux forget the wish to die.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the program that the arguments name. Does not return."""
    death_signal, parent, uid, gid = (int(text) for text in arguments[:4])
    command = arguments[4:]
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:
            raise SystemExit("the process that asked for this one is gone")
    os.execvp(command[0], command)  # noqa: S606 - the supervisor names the program, and no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
