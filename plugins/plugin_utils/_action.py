# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The door of a verb as an action plugin: in the controller's process where the connection is local.

A module process costs 0.3 to 0.6 s and cannot print while it works; an action costs a fork and can. Over any other
connection (a bastion host) the module of the same name runs there, with the same code.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase

from ansible_collections.steady.rollout.plugins.module_utils._domain.report import console
from ansible_collections.steady.rollout.plugins.module_utils._fe import connect as _fe
from ansible_collections.steady.rollout.plugins.module_utils._kube import connection as _kube
from ansible_collections.steady.rollout.plugins.module_utils._kube.options import secrets_of
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, Verb, perform

# Ansible imports an action plugin in the controller before it forks a worker for each task.
_kube.preload()
_fe.preload()


class VerbAction(ActionBase):
    """An action plugin that is a verb. Subclasses name it."""

    VERB: ClassVar[Verb]
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Validate the options as the module would, and do the verb's work here or there."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._connection.transport != "local":
            remote: dict[str, Any] = self._execute_module(
                module_name=f"steady.rollout.{self.VERB.name}", module_args=self._task.args, task_vars=task_vars
            )
            return {**result, **remote}
        self._take_environment()
        params = self._params()
        call = Call(params, check_mode=self._task.check_mode, say=self._say)
        outcome = perform(self.VERB, call)
        if not self._task.diff:
            outcome.pop("diff", None)
        # A module's own scrubbing of secrets is not between us and the callback.
        self._tell_other_callbacks(outcome.get("rollout") or {})
        scrubbed: dict[str, Any] = remove_values(outcome, secrets_of(params))
        return {**result, **scrubbed}

    def _take_environment(self) -> None:
        """The task's `environment:`, as a module would get it; this worker serves one task only."""
        environment: dict[str, str] = {}
        self._compute_environment_string(environment)
        os.environ.update({name: str(value) for name, value in environment.items()})

    def _params(self) -> dict[str, Any]:
        arguments = dict(self._task.args)
        validation = ArgumentSpecValidator(self.VERB.arguments, **self.VERB.conditions).validate(arguments)
        if validation.error_messages:
            raise AnsibleActionFail(f"{self.VERB.name}: " + "; ".join(validation.error_messages))
        parameters: dict[str, Any] = validation.validated_parameters
        return parameters

    def _tell_other_callbacks(self, rollout: dict[str, Any]) -> None:
        """Our own callback renders the key `rollout`; any other one would leave the screen empty."""
        if constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK") == "steady.rollout.rollout":
            return
        for line in console.plain([*console.header(rollout), *console.lines(rollout)]):
            self._display.display(line)

    def _say(self, line: str) -> None:
        """A live line; Display hands it from this worker to the main process, which writes it at once."""
        self._display.display(f"    {line}")
