# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The upgrade report: one dict written by the engine, shown as HTML, as JSON and as a short text.

Pure: nothing here reads a clock, a file or the environment, so the same dict always gives the same bytes.
"""

from __future__ import annotations

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.page import render_html
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.schema import API_VERSION, KIND, validate
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.summary import render_json, render_text

__all__ = ["API_VERSION", "KIND", "render_html", "render_json", "render_text", "validate"]
