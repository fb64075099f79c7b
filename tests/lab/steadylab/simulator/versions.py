# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""StarRocks versions as the simulator reads them from image tags, and what differs between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Tags of the lab's misbehaving images; the version is what stands before them.
LAB_SUFFIXES: Final = ("broken", "nopull", "slow", "flaky", "never")


@dataclass(frozen=True, order=True)
class Version:
    """A StarRocks release such as 3.3.1, ordered by its numbers."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read the leading ``major.minor.patch`` of a text; raises ValueError when there is none."""
        match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
        if match is None:
            raise ValueError(f"not a StarRocks version: {text!r}")
        return cls(int(match[1]), int(match[2]), int(match[3] or 0))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def version_of_image(image: str, default: str = "0.0.0") -> str:
    """The version text in an image's tag, without a digest and without a lab suffix such as ``-broken``."""
    _, _, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    for suffix in LAB_SUFFIXES:
        tag = tag.removesuffix(suffix).removesuffix("-")
    return tag if re.match(r"v?\d+\.\d+", tag) else default


# The documentation of TLS (docs/en/administration/user_privs/ssl_authentication.md) names this release.
TLS_SINCE: Final = Version(3, 4, 1)

# Columns grow by version, so clients must address them by name. The lists are those of the StarRocks sources named
# in each comment; the exact first version of a column is inferred where it says so.

# common/proc/FrontendsProcNode.java; Id stands in the documentation of 4.1 only.
_FRONTENDS: Final = (
    "Name IP EditLogPort HttpPort QueryPort RpcPort Role ClusterId Join Alive ReplayedJournalId LastHeartbeat IsHelper"
    " ErrMsg StartTime Version"
).split()

# common/proc/BackendsProcDir.java; MemLimit since 3.3, DataCacheMetrics since 3.2, Location since 3.3 and StatusCode
# since 3.4 are inferred.
_BACKENDS: Final = (
    "BackendId IP HeartbeatPort BePort HttpPort BrpcPort LastStartTime LastHeartbeat Alive SystemDecommissioned"
    " ClusterDecommissioned TabletNum DataUsedCapacity AvailCapacity TotalCapacity UsedPct MaxDiskUsedPct ErrMsg"
    " Version Status DataTotalCapacity DataUsedPct CpuCores MemLimit NumRunningQueries MemUsedPct CpuUsedPct"
    " DataCacheMetrics Location StatusCode"
).split()

# common/proc/ComputeNodeProcDir.java; MemLimit since 3.4 and HasStoragePath since 3.2 are inferred.
_COMPUTE_NODES: Final = (
    "ComputeNodeId IP HeartbeatPort BePort HttpPort BrpcPort LastStartTime LastHeartbeat Alive SystemDecommissioned"
    " ClusterDecommissioned ErrMsg Version CpuCores MemLimit NumRunningQueries MemUsedPct CpuUsedPct HasStoragePath"
).split()

_BACKENDS_SINCE: Final = {"DataCacheMetrics": "3.2.0", "MemLimit": "3.3.0", "Location": "3.3.0", "StatusCode": "3.4.0"}
_COMPUTE_NODES_SINCE: Final = {"HasStoragePath": "3.2.0", "MemLimit": "3.4.0"}
_SHARED_DATA_BACKENDS: Final = ("StarletPort", "WorkerId", "WarehouseName")
_SHARED_DATA_COMPUTE_NODES: Final = (*_SHARED_DATA_BACKENDS, "TabletNum")


def _known(columns: list[str], since: dict[str, str], version: Version) -> list[str]:
    return [column for column in columns if column not in since or version >= Version.parse(since[column])]


def frontend_columns(version: Version) -> list[str]:
    """Columns of SHOW FRONTENDS and SHOW PROC '/frontends'."""
    return (["Id"] if version >= Version(4, 1, 0) else []) + _FRONTENDS


def backend_columns(version: Version, *, shared_data: bool) -> list[str]:
    """Columns of SHOW BACKENDS and SHOW PROC '/backends'."""
    columns = _known(_BACKENDS, _BACKENDS_SINCE, version)
    return columns + list(_SHARED_DATA_BACKENDS) if shared_data else columns


def compute_node_columns(version: Version, *, shared_data: bool) -> list[str]:
    """Columns of SHOW COMPUTE NODES and SHOW PROC '/compute_nodes'."""
    columns = _known(_COMPUTE_NODES, _COMPUTE_NODES_SINCE, version)
    return columns + list(_SHARED_DATA_COMPUTE_NODES) if shared_data else columns


def config_columns(version: Version) -> list[str]:
    """Columns of ADMIN SHOW FRONTEND CONFIG: AliasNames is absent in older versions (that 3.0 has it is inferred)."""
    aliases = ["AliasNames"] if version >= Version(3, 0, 0) else []
    return ["Key", *aliases, "Value", "Type", "IsMutable", "Comment"]


def balance_rows(version: Version) -> list[str]:
    """Items of SHOW PROC '/cluster_balance' (common/proc/ClusterBalanceProcDir.java); all_tablets is newer."""
    rows = ["cluster_load_stat", "working_slots", "sched_stat", "priority_repair"]
    rows += ["pending_tablets", "running_tablets", "history_tablets"]
    return rows + (["all_tablets"] if version >= Version(3, 4, 0) else [])
