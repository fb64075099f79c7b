# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The door of a verb as a module: on the target host, in a process of its own."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.steady.rollout.plugins.module_utils._kube.options import secrets_of
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, Verb, perform


def main(verb: Verb) -> None:
    """Read the options, do what the verb does, exit with its result."""
    module = AnsibleModule(argument_spec=verb.arguments, supports_check_mode=True, **verb.conditions)
    module.no_log_values.update(secrets_of(module.params))
    call = Call(module.params, check_mode=module.check_mode)
    result = perform(verb, call)
    if result.get("failed"):
        module.fail_json(**{key: value for key, value in result.items() if key != "failed"})
    module.exit_json(**result)
