# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes down every I/O edge that a playbook passes, and kills it at one of them. For tests only.

Ansible makes its callbacks before it forks the first worker, and the workers inherit what is wrapped here. Everything
is asked for by the environment variables of `scenarios.crash.probe`.
"""

from __future__ import annotations

DOCUMENTATION = """
name: crash_edges
type: aggregate
short_description: Writes down every I/O edge that a playbook passes, and kills it at one of them
description: For tests only.
author: the steady.rollout authors
"""

from ansible.plugins.callback import CallbackBase
from scenarios.crash.probe import Probe


class CallbackModule(CallbackBase):
    """Wraps the product's edges for as long as this playbook runs."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "crash_edges"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        Probe.from_environment().install()
