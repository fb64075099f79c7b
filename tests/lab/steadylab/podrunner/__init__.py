# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kubelet for Jobs: runs the containers of their pods as local processes.

Pods with the label `rollout.steady.dev/lab-processes: "true"` are this program's; kwok leaves them alone and simulates
all others. In a namespace with the same label every pod that a Job makes gets it from the API server, by an admission
policy. What a pod's images hold is said by the lab's table of images (`images`): nothing is ever pulled.

The order of a pod's life, its conditions and the reasons in its status are those of the kubelet (pkg/kubelet of
kubernetes v1.36); each function says where it does less.
"""

from __future__ import annotations

from typing import Final

# On a namespace: its Jobs' pods run as processes. On a pod: this one does.
LABEL: Final = "rollout.steady.dev/lab-processes"
