# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What whoever installs this collection decides, and the author of a StarRocksUpgrade or DBUpgrade never may.

It is the modules' option `installation`; a section each has a module here. docs/installation.md explains every field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.databases import (
    DatabaseRules,
    parse_databases,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.hooks import HookRules, parse_hooks
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.told import (
    MetricsTarget,
    Notification,
    parse_metrics,
    parse_notifications,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.webhooks import parse_webhooks
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import WebhookPolicy

__all__ = ["UNSAFE_LABEL", "HookRules", "Installation", "parse_installation"]

# On a namespace, with the value "true": unsafe SQL and script hooks are allowed for the clusters in it.
UNSAFE_LABEL = "rollout.steady.dev/allow-unsafe-hooks"


@dataclass(frozen=True, slots=True)
class Installation:
    """The decisions of an installation; everything is off until it is switched on."""

    hooks: HookRules = field(default_factory=HookRules)
    webhooks: WebhookPolicy = field(default_factory=WebhookPolicy)
    notifications: tuple[Notification, ...] = ()
    metrics: MetricsTarget = field(default_factory=MetricsTarget)
    databases: DatabaseRules = field(default_factory=DatabaseRules)


def parse_installation(document: Mapping[str, object] | None) -> Installation:
    """Validate the option `installation`; every refusal names field, value and remedy."""
    reader = Reader(document, "installation")
    result = Installation(
        hooks=parse_hooks(reader.section("hooks")),
        webhooks=parse_webhooks(reader.section("webhooks")),
        notifications=parse_notifications(reader.items("notifications"), reader.at("notifications")),
        metrics=parse_metrics(reader.section("metrics")),
        databases=parse_databases(reader.section("databases")),
    )
    reader.done()
    return result
