# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Files that others read while they are written."""

from __future__ import annotations

import contextlib
import os
import tempfile


def write_whole(folder: str, name: str, text: str) -> str:
    """Write a file that everybody may read; it appears whole or not at all. Returns its path; raises OSError."""
    path = os.path.join(folder, name)
    # The name begins with a dot and ends otherwise, so that nobody who looks for finished files takes it for one.
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".", delete=False, encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(file.name)
            raise
    return path
