# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Quantities of Kubernetes in the option `installation`."""

from __future__ import annotations

import re

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

# As Kubernetes writes it, without the forms nobody uses for a container.
_QUANTITY = r"[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi)?"


def quantity(section: Reader, name: str, default: str) -> str:
    """A quantity of CPU, memory or storage that is not 0."""
    text = section.text(name, default, pattern=_QUANTITY, hint="a quantity such as 100m or 256Mi")
    if not re.search("[1-9]", text):
        raise Refused(section.at(name), text, "nothing can run with it", remedy=f"such as {default}")
    return text
