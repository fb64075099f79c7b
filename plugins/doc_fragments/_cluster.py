# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Which StarRocks cluster: the documentation of _module.call.TARGET."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  cluster:
    description: Name of the StarRocksCluster.
    type: str
    required: true
  namespace:
    description: Namespace of the StarRocksCluster.
    type: str
    required: true
"""
