# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What an installation decides about database upgrades."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  lease_namespace:
    description:
      - Namespace of the Leases of all databases. It has to exist, and to be the same for everybody who migrates.
      - A Lease is named by a hash of the host, the port and the name of its database.
    type: str
    default: steady-rollout
  prometheus:
    description: Address of the Prometheus server that metrics of the type C(Prometheus) are asked of.
    type: str
    default: ""
  aws:
    description:
      - How tokens for databases of AWS are made, where C(database.aws) is given. See C(docs/db-upgrade-aws.md).
      - Credentials are what botocore finds in the environment of the process that runs the task.
    type: dict
    suboptions:
      python:
        description: Path of a Python with botocore, on the host that runs the task; by default the one that runs it.
        type: str
        default: ""
      ca_bundle:
        description:
          - Path of a file with the certificates that databases are verified against, on the host that runs the task.
          - V(system) for those that the image of Atlas trusts by itself, as an RDS Proxy needs it.
          - There is no default, because a token would be given to whoever answers.
        type: str
        default: ""
  tools:
    description: The images of the Jobs' containers, and how they run.
    type: dict
    suboptions:
      crane:
        description: Image of crane, which fetches the image with the migrations.
        type: str
        default: gcr.io/go-containerregistry/crane:v0.22.1
      atlas:
        description: Image of Atlas.
        type: str
        default: docker.io/arigaio/atlas:0.13.1
      python:
        description: Image with Python 3.9 or later as C(python3), which takes the migrations out of the image.
        type: str
        default: docker.io/library/python:3.13.1-alpine3.21
      digests_only:
        description: Refuse to run these images by tag.
        type: bool
        default: false
      platform:
        description: Platform of the image with the migrations, such as V(linux/arm64); empty for crane's own choice.
        type: str
        default: ""
      insecure_registry:
        description: Fetch the image with the migrations without TLS.
        type: bool
        default: false
      work_size:
        description: Size limit of the volume into which the image is unpacked.
        type: str
        default: 2Gi
      lock_seconds:
        description: How long Atlas waits for its lock in the database, in seconds.
        type: int
        default: 30
      connection_check_ms:
        description:
          - How often PostgreSQL looks whether the Job is still there, in milliseconds, so that a statement of a Job
            that was killed ends soon. It goes as C(client_connection_check_interval) into the URL that the Jobs read.
          - Set it to V(0) for PostgreSQL 13 and older, and for a pooler that refuses the parameter.
        type: int
        default: 1000
attributes:
  action_group:
    description: Use C(group/steady.rollout.database) in C(module_defaults) to set options for all of these modules.
    support: full
    membership:
      - steady.rollout.database
"""
