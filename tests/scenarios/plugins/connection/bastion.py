# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bastion host without a network: commands run here, but Ansible has to ship the modules as to any other host."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: bastion
short_description: This machine in the part of a bastion host
description:
  - Runs commands and copies files as the local connection does, under another name.
author:
  - The steady.rollout authors (@steady-rollout)
extends_documentation_fragment:
  - connection_pipelining
"""


class Connection(LocalConnection):
    """The local connection under another name."""

    transport = "bastion"
