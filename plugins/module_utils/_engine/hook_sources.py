# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Reading what hooks need before a plan can be made: ConfigMaps, and what the namespace allows. Nothing is written."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import UNSAFE_LABEL, Installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import Catalogue
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import Stages
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    Sources,
    plan_hooks,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Plan
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import GUIDE, SETTINGS
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import config_text, labelled


def read_sources(
    client: KubeClient, namespace: str, stages: Stages, catalogue: Catalogue, installation: Installation
) -> Sources:
    """The ConfigMaps that hooks name, and whether unsafe SQL and scripts may run in the namespace.

    The namespace's label is looked at only where a hook would be refused without it.
    """
    sources = _read_config_maps(client, namespace, stages)
    rules = installation.hooks
    sources = replace(sources, unsafe_sql=rules.allow_unsafe_sql, scripts=rules.allow_scripts)
    if not any(plan_hooks(stages, catalogue, sources, installation).refusals.values()):
        return sources
    try:
        rules = rules.within(labelled(client, namespace, UNSAFE_LABEL))
    except RolloutError as error:
        return replace(sources, missing={**sources.missing, "namespace": error.reason})
    return replace(sources, unsafe_sql=rules.allow_unsafe_sql, scripts=rules.allow_scripts)


def settings_to_read(
    client: KubeClient,
    namespace: str,
    plan: Plan | None,
    record: Record | None,
    catalogue: Catalogue,
    installation: Installation,
) -> tuple[str, ...]:
    """The settings that may be read and written on this cluster: the guide's, the plan's, and those of the record.

    A key that stands in the record alone is written only where the installation or the namespace knows or allows it.
    """
    keys = dict.fromkeys(GUIDE)
    if plan is not None:
        keys |= dict.fromkeys(plan.held) | {
            key: None for step in plan.steps for hook in step.hooks for key in hook.keys
        }
    owed = record.journal.open_keys if record is not None else []
    keys |= {key: None for key in owed if key in SETTINGS or key in catalogue.keys}
    strangers = [key for key in owed if key not in keys]
    if strangers and _allows_unsafe(client, namespace, installation):
        keys |= dict.fromkeys(strangers)
    return tuple(keys)


def _allows_unsafe(client: KubeClient, namespace: str, installation: Installation) -> bool:
    if installation.hooks.allow_unsafe_sql:
        return True
    try:
        return labelled(client, namespace, UNSAFE_LABEL)
    except RolloutError:
        # Without the right to look nothing is allowed; the journal's note then says what is still owed.
        return False


def _read_config_maps(client: KubeClient, namespace: str, stages: Stages) -> Sources:
    found: dict[str, dict[str, str]] = {}
    missing: dict[str, str] = {}
    for source in dict.fromkeys(entry.config_map for entry in stages.entries if entry.config_map is not None):
        try:
            text = config_text(client, namespace, source.name, source.key)
        except RolloutError as error:
            missing[f"{source.name}/{source.key}"] = error.reason
        else:
            found.setdefault(source.name, {})[source.key] = text
    return Sources(found, missing)
