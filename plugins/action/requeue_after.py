# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs requeue_after in the controller's process where the connection is local; documented with the module."""

from __future__ import annotations

from ansible_collections.steady.rollout.plugins.module_utils._module.requeue import VERB
from ansible_collections.steady.rollout.plugins.plugin_utils._action import VerbAction


class ActionModule(VerbAction):
    """The action plugin of requeue_after."""

    VERB = VERB
