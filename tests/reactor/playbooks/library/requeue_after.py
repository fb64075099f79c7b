# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What operator_sdk.util.requeue_after returns, for a suite that does not bring that collection."""

from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({"time": {"type": "str", "required": True}}, supports_check_mode=True)
module.exit_json(period=module.params["time"])
