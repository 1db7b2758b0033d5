"""Python runs this at its start where this folder is on PYTHONPATH: from then on a rule raises.

`BIHUAN_TEST_UNLUCKY=<service>:<complaint>` names whose rules, and for which complaint. The service
itself knows nothing of it.
"""

import importlib
import os

_service, _, _complaint = os.environ["BIHUAN_TEST_UNLUCKY"].partition(":")
_reactions = importlib.import_module(f"services.{_service}.reactions")
_sound = _reactions.react


def _react(recorded):  # type: ignore[no-untyped-def] # read by Python alone, before anything else
    if recorded.subject == _complaint:
        raise RuntimeError("MARKER what the rule tripped over")
    return _sound(recorded)


_reactions.react = _react  # type: ignore[attr-defined] # that is the point
