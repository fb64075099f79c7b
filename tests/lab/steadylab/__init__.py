# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kubernetes control plane with simulated kubelets and a simulated StarRocks, for tests on one machine.

`steadylab.Lab` is the interface for tests; `up`, `down` and `status` beside this package are the commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steadylab.lab import Lab as Lab
    from steadylab.objects import ClusterSpec as ClusterSpec

__all__ = ["ClusterSpec", "Lab"]


def __getattr__(name: str) -> Any:
    """Import on first use: `steadylab.build` must run where nothing but the standard library is installed."""
    if name == "Lab":
        from steadylab.lab import Lab

        return Lab
    if name == "ClusterSpec":
        from steadylab.objects import ClusterSpec

        return ClusterSpec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
