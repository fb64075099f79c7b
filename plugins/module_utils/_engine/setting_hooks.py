# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What hooks do to FE settings: always through the journal, written down before anything is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import Action
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import ValueChange
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.quiesce import Switch
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World


@dataclass(frozen=True)
class SettingActions:
    """Carries out the actions of hooks that are about settings. The record is there, and the lease is held."""

    world: World
    ledger: Ledger
    switch: Switch

    def carry_out(self, action: Action, deadline: float) -> list[ValueChange]:
        """Journal, write, set and read back, within `deadline` seconds; the leader's values before and after."""
        self.switch.look()
        self.switch.require_seen()
        keys = tuple(action.values) or action.keys or tuple(self.switch.journal.open_keys)
        before = self._leader_values(keys)
        if action.kind == "set":
            if self.switch.open(action.values):
                self.ledger.write()
            self.switch.hold(window=False, phase="quiesced", deadline=deadline)
        else:
            if action.kind == "default":
                self._rebase(action.values)
            journal = self.switch.journal
            self.switch.restore(keys)
            if self.switch.journal != journal:
                self.ledger.write()
        after = self._leader_values(keys)
        return [ValueChange(key, before.get(key, "unknown"), after.get(key, "unknown")) for key in keys]

    def _rebase(self, values: Mapping[str, str]) -> None:
        """The documented values take the place of the journal's: written down before they are set."""
        self.switch.open(values)
        record = self.ledger.record
        was = {key: record.journal.entries[key].baseline for key in values}
        journal = settings.rebased(record.journal, values, self.world.seen_settings())
        self.ledger.change(replace(record, journal=journal))
        for key, value in values.items():
            text = f"{key} goes to the documented {value}, as was asked for by name; the journal had {was[key]}"
            self.ledger.event("note", text, step=self.switch.step, subject=key)
        self.ledger.write()

    def _leader_values(self, keys: Sequence[str]) -> dict[str, str]:
        view = self.world.seen_settings().get(self.world.view.leader or "")
        return {key: settings.rule(key).reading(view.values[key]) for key in keys if view and key in view.values}
