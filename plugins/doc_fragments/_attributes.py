# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What a module promises about check mode, diffs and running it again."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/steady.rollout.starrocks) in C(module_defaults) to set options for all of these modules.
    support: full
    membership:
      - steady.rollout.starrocks
"""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no
      change.
"""

    READ_ONLY = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: It only reads.
  diff_mode:
    support: N/A
    details: It changes nothing.
  idempotent:
    support: full
    details: It changes nothing.
"""
