#!/usr/bin/python
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrate a database with the Atlas migrations of an image."""

from __future__ import annotations

DOCUMENTATION = r"""
module: db_upgrade
short_description: Migrate a database with the Atlas migrations of an image
version_added: "1.0.0"
author:
  - The steady.rollout authors (@steady-rollout)
description:
  - Looks at Secret, Lease, Jobs and record, does what can be done now, and waits for the rest or says when to look
    again.
  - An inspection reads the image and asks the database first. What is destructive, out of order or already applied is
    never applied; what is pending is applied by one Job, under a Lease that each database has once.
  - A run that was killed is continued by the next one. The same O(spec) is never applied twice.
extends_documentation_fragment:
  - steady.rollout._attributes
  - steady.rollout._database
  - steady.rollout._installation
  - steady.rollout._kubernetes
attributes:
  check_mode:
    support: full
    details: No Job is made, so what is pending is shown only where an inspection has been made before. O(plan=true)
      makes one.
  diff_mode:
    support: full
    details: The pending SQL.
  idempotent:
    support: full
options:
  name:
    description: Name of the DBUpgrade; also that of what is made for it.
    type: str
    required: true
  namespace:
    description: Namespace of the DBUpgrade, of its Secret and of its Jobs.
    type: str
    required: true
  spec:
    description:
      - What is asked for, the C(spec) of a C(DBUpgrade). No CustomResourceDefinition is needed.
      - Without it the custom resource O(name) is read, and its status is written.
    type: dict
  state:
    description:
      - V(absent) is for a custom resource that is being deleted, before its finalizer is removed. Makes one pass.
        A Job that writes to the database comes to its end first, one that has not begun is deleted, and the Lease of
        the database is given up. RV(requeue_after) is V(0) when the custom resource may go.
    type: str
    choices: [present, absent]
    default: present
  release_seconds:
    description:
      - Seconds after the deletion of the custom resource after which O(state=absent) is done although a Job still
        writes. An Event C(Abandoned) names it, and the Lease stays until that Job is over.
      - The annotation C(rollout.steady.dev/abandon=true) and the deletion of the namespace end it at once.
    type: float
    default: 3600.0
  plan:
    description: Only inspect, by a Job that reads, and show what would be applied.
    type: bool
    default: false
  wait:
    description: Whether to wait for the end. Without it one pass is made, and RV(requeue_after) says when the next is
      due.
    type: bool
    default: true
  patience_seconds:
    description:
      - How long a run that is waited for may be blocked or degraded before it is given up, in seconds.
      - What only a person can change, such as a missing Secret, ends it at once.
    type: int
    default: 300
seealso:
  - name: Atlas, versioned migrations
    description: The format of the directory in the image.
    link: https://atlasgo.io/versioned/intro
"""

EXAMPLES = r"""
- name: Migrate a database
  steady.rollout.db_upgrade:
    name: orders
    namespace: shop
    spec:
      migrations:
        image: registry.example.org/orders/migrations:v12
      database:
        type: selfHosted
        connection:
          urlSecretRef:
            name: orders-db
            key: url

- name: Migrate a database of RDS with a token instead of a password
  steady.rollout.db_upgrade:
    name: billing
    namespace: shop
    installation:
      databases:
        aws:
          caBundle: /etc/rds/global-bundle.pem
    spec:
      migrations:
        image: registry.example.org/billing/migrations:v3
      database:
        type: awsRds
        aws:
          roleArn: arn:aws:iam::123456789012:role/billing-migrator
          region: eu-central-1
          host: billing.abc123.eu-central-1.rds.amazonaws.com
          dbName: billing
          username: migrator

- name: Show the SQL that would be applied
  steady.rollout.db_upgrade:
    name: orders
    namespace: shop
    spec: "{{ (lookup('ansible.builtin.file', 'dbupgrade.yml') | from_yaml).spec }}"
    plan: true

- name: Make one pass over a custom resource
  steady.rollout.db_upgrade:
    name: orders
    namespace: shop
    wait: false
  register: pass_made

- name: Let a custom resource go
  steady.rollout.db_upgrade:
    name: orders
    namespace: shop
    state: absent

- name: Migrate a database in a cluster whose Leases of databases stand elsewhere
  steady.rollout.db_upgrade:
    name: orders
    namespace: shop
    installation:
      databases:
        leaseNamespace: databases
        prometheus: http://prometheus.monitoring:9090
"""

RETURN = r"""
state:
  description: Where the upgrade is, C(aspect), with C(reason) in one word and C(message) in a sentence.
  returned: success or failure of the migration
  type: dict
  sample: {aspect: Ready, reason: MigrationComplete, message: The database is at version 20260101000002.}
migration:
  description: What image and database say, with the names of the custom resource's status; empty before an inspection.
  returned: success or failure of the migration
  type: dict
  sample:
    image: registry.example.org/orders/migrations@sha256:0f0f
    directoryHash: sha256:0f0f
    beforeVersion: "20260101000001"
    currentVersion: "20260101000002"
    targetVersion: "20260101000002"
    pendingFiles: []
    pendingCount: 0
    pendingSQL: ""
    findings: []
    reversible: false
outcome:
  description: How the migration ended, V(succeeded), V(unchanged), V(failed), V(frozen) or V(rolledBack); empty before.
  returned: success or failure of the migration
  type: str
  sample: succeeded
requeue_after:
  description: In how many seconds the next pass is due, 0 when none is.
  returned: success or failure of the migration
  type: int
  sample: 10
"""

from ansible_collections.steady.rollout.plugins.module_utils._module import db_upgrade
from ansible_collections.steady.rollout.plugins.module_utils._module.door import main

if __name__ == "__main__":
    main(db_upgrade.VERB)
