# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Whether TLS to the FEs can be insisted on, told from their versions before one is connected to.

StarRocks offers TLS from 3.4.1 on (docs/en/administration/user_privs/ssl_authentication.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image, Version

TLS_SINCE = Version(3, 4, 1)


def check_required(frontends: Mapping[str, str], target: str | None) -> None:
    """Refuse fe_tls: required where a version cannot do it.

    `frontends` are the images of the FE pods by name, `target` is the image they shall run, None when they stay as they
    are. A run must not lock itself out of the very FEs that it has replaced. An image that states no version passes:
    whether such an FE offers TLS shows when it is connected to.
    """
    for pod, image in sorted(frontends.items()):
        _check(image, f"FE {pod} runs", remedy="Use fe_tls: preferred until every FE runs 3.4.1 or newer.")
    if target is not None:
        _check(target, "the FEs shall run", remedy="Use fe_tls: preferred for this run.")


def _check(image: str, who: str, *, remedy: str) -> None:
    version = Image.parse(image, "image").version
    if version is not None and version < TLS_SINCE:
        raise Refused("fe_tls", "required", f"{who} {version}, and StarRocks offers TLS from 3.4.1 on", remedy=remedy)
