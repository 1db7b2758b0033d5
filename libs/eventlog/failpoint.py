"""Named places where a test may kill this process, to prove that it does not matter.

`BIHUAN_FAILPOINT=<name>:<n>` makes the n-th passage of that place the last thing the process does
(SIGKILL, as a power cut would). Without the variable a passage costs one comparison.
"""

import os
import signal

_WANTED, _, _COUNT = os.environ.get("BIHUAN_FAILPOINT", "").partition(":")
_left = int(_COUNT or "1")


def reach(place: str) -> None:
    """Passes `place`; does not return when this is the passage a test asked to die at."""
    global _left  # one process, one death
    if place != _WANTED:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
