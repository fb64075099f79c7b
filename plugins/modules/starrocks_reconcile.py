#!/usr/bin/python
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over a StarRocksCluster or a StarRocksUpgrade."""

from __future__ import annotations

DOCUMENTATION = r"""
module: starrocks_reconcile
short_description: One pass over a StarRocksCluster or a StarRocksUpgrade
version_added: "1.0.0"
author:
  - The steady.rollout authors (@steady-rollout)
description:
  - Looks at one object, does what can be done now, writes the object's status, and says when to look again.
  - Nothing is lost between two passes. A pass may be killed at any moment; the next one goes on from the record.
  - For a C(StarRocksCluster) it carries out the preparation that the object's annotations or fields ask for, and ends
    it. A cluster that asks for nothing never sees a write.
  - For a C(StarRocksUpgrade) it carries out the upgrade, as the playbook C(starrocks_upgrade) does at once. One that is
    finished costs a single read.
  - An upgrade that ends badly does not fail the task, because it has ended; see RV(phase).
extends_documentation_fragment:
  - steady.rollout._attributes
  - steady.rollout._attributes.action_group
  - steady.rollout._lease
  - steady.rollout._kubernetes
  - steady.rollout._frontend
  - steady.rollout._installation
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: M(steady.rollout.starrocks_plan) shows the changes of an upgrade.
  idempotent:
    support: full
    details: Without news a further pass changes nothing.
options:
  kind:
    description: Kind of the object.
    type: str
    choices: [StarRocksCluster, StarRocksUpgrade]
    required: true
  name:
    description: Name of the object.
    type: str
    required: true
  namespace:
    description: Namespace of the object.
    type: str
    required: true
  state:
    description:
      - V(absent) is for an object that is being deleted, before its finalizer is removed, and for one that nobody looks
        after any longer. Its run stops where it is, every setting comes back, and the lease is given up.
    type: str
    choices: [present, absent]
    default: present
  patience:
    description: Seconds that a pass waits at one point before it ends and says when to look again.
    type: float
    default: 5.0
  pass_seconds:
    description: Seconds after which a pass begins no further step.
    type: float
    default: 60.0
  release_seconds:
    description:
      - Seconds after the deletion of a C(StarRocksUpgrade) after which O(state=absent) is done although settings could
        not be put back. An Event C(Abandoned) names them, and P(steady.rollout.starrocks_restore#role) can still put
        them back.
      - The annotation C(rollout.steady.dev/abandon=true) and the deletion of the namespace end it at once.
    type: float
    default: 900.0
seealso:
  - module: steady.rollout.starrocks_crd
  - module: steady.rollout.starrocks_step
"""

EXAMPLES = r"""
- name: See to what the annotations of a StarRocksCluster ask for
  steady.rollout.starrocks_reconcile:
    kind: StarRocksCluster
    name: prod
    namespace: starrocks
  register: pass

- name: Carry an upgrade on
  steady.rollout.starrocks_reconcile:
    kind: StarRocksUpgrade
    name: prod-3.3.2
    namespace: starrocks

- name: Put back what a StarRocksUpgrade holds, before it goes
  steady.rollout.starrocks_reconcile:
    kind: StarRocksUpgrade
    name: prod-3.3.2
    namespace: starrocks
    state: absent
"""

RETURN = r"""
phase:
  description: Phase of the object, as in its status; V(None) for a StarRocksCluster without a trigger, V(Gone) for an
    object that does not exist, V(Releasing), V(Released) or V(Abandoned) with O(state=absent).
  returned: success
  type: str
  sample: Completed
reason:
  description: Why, in one word.
  returned: success
  type: str
  sample: Held
message:
  description: Why, in a sentence; what is waited for, if anything is.
  returned: success
  type: str
  sample: prepared, waits for the image change
remedy:
  description: What to do about it.
  returned: success
  type: str
  sample: ""
requeue_after:
  description: In how many seconds to look again; null when nothing is due.
  returned: success
  type: float
  sample: 15.0
finished:
  description: Whether nothing is due until the object changes.
  returned: success
  type: bool
  sample: false
"""

from ansible_collections.steady.rollout.plugins.module_utils._module import reconcile
from ansible_collections.steady.rollout.plugins.module_utils._module.door import main

if __name__ == "__main__":
    main(reconcile.VERB)
