#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write operator/crds/ from the schemas in the code; `make` the files anew after a change of a schema."""

from __future__ import annotations

import sys

import yaml
from checkout import ROOT

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import schema

HEADER = """# Made by tools/make_crds.py from _domain/database/schema.py and rules.py.
# A pattern or a rule cannot be broken over lines.
# yamllint disable rule:line-length
"""


def text() -> str:
    """The file's content."""
    return HEADER + "---\n" + yaml.safe_dump(schema.crd(), sort_keys=False, width=100, allow_unicode=True)


def main() -> int:
    """Write the file."""
    crd = f"{schema.PLURAL}.{schema.GROUP}.yaml"
    (ROOT / "operator" / "crds" / crd).write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
