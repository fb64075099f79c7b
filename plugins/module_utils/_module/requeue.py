# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The verb of requeue_after: says to an operator, by its name and its result alone, when the next pass is due."""

from __future__ import annotations

import re

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, Result, Verb

# A duration as Go writes it (time.ParseDuration), which is what the ansible-operator reads; never a negative one.
_DURATION = re.compile(r"(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+")


def run(call: Call) -> Result:
    """Repeat the duration where an operator looks for it."""
    time = str(call.params["time"])
    if not _DURATION.fullmatch(time):
        raise Refused("time", time, "not a duration", remedy="such as 30s, 1.5s or 2m30s")
    return {"changed": False, "period": time}


VERB = Verb("requeue_after", {"time": {"type": "str", "required": True}}, run)
