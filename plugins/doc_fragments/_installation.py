# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What whoever installs decides: the documentation of _module.call.INSTALLATION."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  installation:
    description:
      - What whoever installs this collection decides, and the author of a document never may.
      - Its sections and fields are explained in C(docs/installation.md) of the collection. Everything is off until it
        is switched on here.
    type: dict
    default: {}
"""
