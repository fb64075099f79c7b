# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names resolve as they do inside a Kubernetes cluster, for runs of transport `direct` on the lab.

Python imports this at its start when the folder is in PYTHONPATH. STEADY_HOSTS is JSON: for each name its address and
port. The port is part of it because all simulated FEs are on one address; any other name resolves as it always does.
"""

import json
import os
import socket
from typing import Any

_HOSTS = json.loads(os.environ["STEADY_HOSTS"])
_elsewhere = socket.getaddrinfo


def _resolve(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
    if host in _HOSTS:
        return _elsewhere(*_HOSTS[host], *arguments, **options)
    return _elsewhere(host, port, *arguments, **options)


socket.getaddrinfo = _resolve
