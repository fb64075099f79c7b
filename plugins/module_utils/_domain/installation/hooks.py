# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""`installation.hooks`: which hooks may run, the catalogue's own entries, and what a script hook runs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.quantity import quantity
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image


@dataclass(frozen=True, slots=True)
class ScriptRules:
    """What a script hook runs in.

    An empty `image` means the one that the cluster's FEs run: it has a shell and a MySQL client. `keep_seconds` is how
    long the Job stays after its end.
    """

    image: str = ""
    run_as_user: int = 1000
    longest_seconds: int = 3600
    keep_seconds: int = 604_800
    log_bytes: int = 4096
    cpu: str = "100m"
    memory: str = "256Mi"


@dataclass(frozen=True, slots=True)
class HookRules:
    """What hooks may do. `catalogue` holds further predefined hooks as they were written."""

    allow_unsafe_sql: bool = False
    allow_scripts: bool = False
    catalogue: tuple[Mapping[str, object], ...] = ()
    scripts: ScriptRules = field(default_factory=ScriptRules)

    def within(self, labelled: bool) -> HookRules:
        """The rules in a namespace: its label allows what the installation itself may leave forbidden."""
        return replace(self, allow_unsafe_sql=True, allow_scripts=True) if labelled else self


def parse_hooks(section: Reader) -> HookRules:
    """`hooks: {allowUnsafeSql, allowScripts, catalogue, scripts}`."""
    rules = HookRules(
        allow_unsafe_sql=section.flag("allowUnsafeSql"),
        allow_scripts=section.flag("allowScripts"),
        catalogue=tuple(_entry(item, n, section.at("catalogue")) for n, item in enumerate(section.items("catalogue"))),
        scripts=_scripts(section.section("scripts")),
    )
    section.done()
    return rules


def _entry(item: object, number: int, path: str) -> Mapping[str, object]:
    if not isinstance(item, Mapping):
        raise Refused(f"{path}[{number}]", item, "not a mapping", remedy="write it as key: value pairs")
    return {str(key): value for key, value in item.items()}


def _scripts(section: Reader) -> ScriptRules:
    default = ScriptRules()
    image = section.text("image")
    if image:
        Image.parse(image, section.at("image"))
    rules = ScriptRules(
        image=image,
        # 0 would be root, which the restricted Pod Security Standard refuses.
        run_as_user=section.whole("runAsUser", default.run_as_user, least=1, most=2_147_483_647, unit="a user's id"),
        longest_seconds=section.whole("longestSeconds", default.longest_seconds, least=1, most=86_400, unit="seconds"),
        # Shorter, and a run that is continued could miss how the script ended.
        keep_seconds=section.whole("keepSeconds", default.keep_seconds, least=3600, most=31_536_000, unit="seconds"),
        log_bytes=section.whole("logBytes", default.log_bytes, least=0, most=4096, unit="bytes"),
        cpu=quantity(section, "cpu", default.cpu),
        memory=quantity(section, "memory", default.memory),
    )
    section.done()
    return rules
