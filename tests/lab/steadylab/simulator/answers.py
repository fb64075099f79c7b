# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an FE answers to a statement: tables whose columns depend on the version of the FE that answers.

Paths of StarRocks sources are under fe/fe-core/src/main/java/com/starrocks. An FE shows everything as text.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import singledispatch
from typing import Final

from steadylab.simulator import errors, settings, statements
from steadylab.simulator.model import EDIT_LOG_PORT, Frontend, Heartbeat, Node
from steadylab.simulator.tablets import REPLICATION
from steadylab.simulator.versions import (
    Version,
    backend_columns,
    balance_rows,
    compute_node_columns,
    config_columns,
    frontend_columns,
)
from steadylab.simulator.world import Cluster

# qe/ShowProcStmt NEED_FORWARD_PATH_ROOT: only these paths go to the leader by themselves.
FORWARDED_PROC_ROOTS: Final = frozenset({"cluster_balance", "routine_loads", "transactions"})
CLUSTER_ID: Final = 1180232735
DATABASE: Final = "sales"
DATABASE_ID: Final = 10201
PARTITIONS: Final = 3


@dataclass(frozen=True)
class Table:
    """A result set; an empty list of columns is a statement that returns nothing."""

    columns: list[str]
    rows: list[list[str | None]]


NOTHING: Final = Table([], [])


@dataclass
class Session:
    """What a connection remembers between statements."""

    user: str
    connection_id: int
    variables: dict[str, str]
    database: str | None = None
    encrypted: bool = False


@dataclass(frozen=True)
class Question:
    """Where and when a statement is answered; ``fe`` is the FE that answers, the leader when it was forwarded."""

    cluster: Cluster
    fe: Frontend
    session: Session
    now: float

    @property
    def version(self) -> Version:
        """The version of the FE that answers, which decides the columns."""
        return Version.parse(self.fe.version)


def session_variables(version: str) -> dict[str, str]:
    """The session variables of a new connection to an FE of this version (qe/SessionVariable.java, a selection)."""
    return {
        "autocommit": "1",
        "character_set_client": "utf8",
        "character_set_results": "utf8",
        "forward_to_leader": "false",
        "forward_to_master": "false",
        "lower_case_table_names": "0",
        "max_allowed_packet": "33554432",
        "query_timeout": "300",
        "sql_mode": "32",
        "system_time_zone": "UTC",
        "time_zone": "UTC",
        "tx_isolation": "REPEATABLE-READ",
        "transaction_isolation": "REPEATABLE-READ",
        "version": "5.1.0",
        "version_comment": f"StarRocks version {version}",
        "wait_timeout": "28800",
    }


def goes_to_leader(statement: statements.Statement, session: Session) -> bool:
    """Whether an FE forwards the statement (qe/RedirectStatus.java, ShowProcStmt.java).

    ADMIN SET and ALTER SYSTEM are writes; SHOW FRONTENDS, BACKENDS and COMPUTE NODES always go to the leader; other
    reads do when the session has forward_to_leader. ADMIN SHOW FRONTEND CONFIG never does (NO_FORWARD).
    """
    match statement:
        case statements.SetConfig() | statements.CreateImage() | statements.TransferLeader() | statements.ShowNodes():
            return True
        case statements.ShowProc(path=path):
            forced = session.variables["forward_to_leader"] == "true"
            return forced or path.strip("/").partition("/")[0] in FORWARDED_PROC_ROOTS
    return False


def check_privileges(statement: statements.Statement, privileges: frozenset[str]) -> None:
    """Raise StatementError unless the user may run the statement (sql/analyzer/AuthorizerStmtVisitor.java).

    GRANT for users, NODE for ALTER SYSTEM, OPERATE or NODE for SHOW of nodes, OPERATE alone for ADMIN and SHOW PROC. A
    selection from information_schema.partitions_meta is refused to nobody, see the answer.
    """
    match statement:
        case statements.CreateUser() | statements.GrantOperate() | statements.GrantRole() | statements.SetDefaultRole():
            if "GRANT" not in privileges:
                raise errors.privilege_denied("GRANT")
        case statements.CreateImage() | statements.TransferLeader():
            if "NODE" not in privileges:
                raise errors.privilege_denied("NODE")
        case statements.ShowNodes():
            if not privileges & {"OPERATE", "NODE"}:
                raise errors.privilege_denied("OPERATE OR NODE")
        case statements.ShowProc() | statements.ShowConfig() | statements.SetConfig():
            if "OPERATE" not in privileges:
                raise errors.privilege_denied("OPERATE")


def time_text(moment: float) -> str:
    """A moment as TimeUtils.longToTimeString shows it, in UTC; NULL for never."""
    return "NULL" if moment <= 0 else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _table(columns: list[str], rows: list[Mapping[str, str]]) -> Table:
    return Table(columns, [[row[column] for column in columns] for row in rows])


@singledispatch
def answer(statement: statements.Statement, question: Question) -> Table:
    """Answer a statement on the FE of the question; raises StatementError."""
    raise errors.parse_error(type(statement).__name__)


@answer.register
def _(statement: statements.SetVariable, question: Question) -> Table:
    variables = question.session.variables
    if statement.name not in variables:
        raise errors.unknown_variable(statement.name)
    value = statement.value
    if statement.name in ("forward_to_leader", "forward_to_master"):
        # forward_to_master is the older name of the same variable.
        value = "true" if value.lower() in ("true", "1", "on") else "false"
        variables["forward_to_leader"] = variables["forward_to_master"] = value
    variables[statement.name] = value
    return NOTHING


@answer.register
def _(statement: statements.SelectExpressions, question: Question) -> Table:
    values: list[str | None] = [_evaluate(expression, question) for expression in statement.expressions]
    return Table(list(statement.expressions), [values])


def _evaluate(expression: str, question: Question) -> str | None:
    text = expression.replace(" ", "").lower()
    session = question.session
    if text.startswith("@@"):
        name = text.removeprefix("@@").removeprefix("session.").removeprefix("global.")
        if name not in session.variables:
            raise errors.unknown_variable(name)
        return session.variables[name]
    functions: dict[str, str | None] = {
        "current_version()": question.fe.version,
        "version()": session.variables["version"],
        "current_user()": f"'{session.user}'@'%'",
        "user()": f"'{session.user}'@'%'",
        "connection_id()": str(session.connection_id),
        "database()": session.database,
        "current_role()": ", ".join(_active_roles(question)) or "NONE",
    }
    if text in functions:
        return functions[text]
    if text[0] in "'\"":
        return expression[1:-1]
    if text.isdigit():
        return text
    raise errors.StatementError(f"Getting analyzing error. Detail message: No matching function {expression}.")


def _active_roles(question: Question) -> list[str]:
    """NODE cannot be granted: who has it has it by a role (docs: privilege_item.md)."""
    name = question.session.user
    if name == "root":
        return ["root"]
    return ["cluster_admin"] if "NODE" in question.cluster.users[name].privileges else []


@answer.register
def _(statement: statements.CreateUser, question: Question) -> Table:
    question.cluster.create_user(statement.name, statement.password, may_exist=statement.may_exist)
    return NOTHING


@answer.register
def _(statement: statements.GrantOperate, question: Question) -> Table:
    question.cluster.grant(statement.user, privileges=frozenset({"OPERATE"}))
    return NOTHING


@answer.register
def _(statement: statements.GrantRole, question: Question) -> Table:
    question.cluster.grant_role(statement.user, statement.role)
    return NOTHING


@answer.register
def _(statement: statements.SetDefaultRole, question: Question) -> Table:
    question.cluster.set_default_role(statement.user, statement.role)
    return NOTHING


@answer.register
def _(statement: statements.ShowGrants, question: Question) -> Table:
    """docs/en/sql-reference/sql-statements/account-management/SHOW_GRANTS.md."""
    if statement.role is not None:
        rights = {"cluster_admin": "NODE, OPERATE", "root": "NODE, OPERATE", "db_admin": "OPERATE"}
        if statement.role not in rights:
            raise errors.StatementError(f"Getting analyzing error. Detail message: cannot find role {statement.role}!")
        text = f"GRANT {rights[statement.role]} ON SYSTEM TO ROLE '{statement.role}'"
        return Table(["RoleName", "Catalog", "Grants"], [[statement.role, None, text]])
    who = f"'{question.session.user}'@'%'"
    rows: list[list[str | None]] = [[who, None, f"GRANT '{role}' TO {who}"] for role in _active_roles(question)]
    held = question.cluster.users[question.session.user].privileges
    if "OPERATE" in held and not rows:
        rows.append([who, None, f"GRANT OPERATE ON SYSTEM TO USER {who}"])
    if "SELECT" in held and not rows:
        rows.append([who, "default", f"GRANT SELECT ON ALL TABLES IN ALL DATABASES TO USER {who}"])
    return Table(["UserIdentity", "Catalog", "Grants"], rows)


_OPERATORS: Final[dict[str, Callable[[int, int], bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@answer.register
def _(statement: statements.SelectPartitions, question: Question) -> Table:
    """docs/en/sql-reference/information_schema/partitions_meta.md.

    It tells of tables on which the user has any privilege and is silent about the others
    (service/InformationSchemaDataSource.generatePartitionsMetaResponse), so OPERATE alone shows nothing.
    """
    sees = "SELECT" in question.cluster.users[question.session.user].privileges
    rows = _partitions(question.cluster) if sees else []
    if statement.operator is not None:
        compare = _OPERATORS[statement.operator]
        rows = [row for row in rows if compare(int(row["REPLICATION_NUM"]), statement.operand)]
    if statement.columns == ("COUNT(*)",):
        return Table(["count(*)"], [[str(len(rows))]])
    columns = list(_PARTITION_COLUMNS) if statement.columns == ("*",) else list(statement.columns)
    for column in columns:
        if column not in _PARTITION_COLUMNS:
            message = f"Getting analyzing error. Detail message: Column '{column}' cannot be resolved."
            raise errors.StatementError(message)
    return _table(columns, rows)


_PARTITION_COLUMNS: Final = ("DB_NAME", "TABLE_NAME", "PARTITION_NAME", "PARTITION_ID", "BUCKETS", "REPLICATION_NUM")


def _partitions(cluster: Cluster) -> list[Mapping[str, str]]:
    named = [("orders", f"p{index}", REPLICATION) for index in range(1, PARTITIONS + 1)]
    named += [("scratch", f"p{index}", 1) for index in range(1, cluster.options.single_replica_partitions + 1)]
    return [
        {
            "DB_NAME": DATABASE,
            "TABLE_NAME": table,
            "PARTITION_NAME": partition,
            "PARTITION_ID": str(10300 + index),
            "BUCKETS": str(cluster.options.tablets // PARTITIONS),
            "REPLICATION_NUM": str(replicas),
        }
        for index, (table, partition, replicas) in enumerate(named)
    ]


@answer.register
def _(statement: statements.ShowNodes, question: Question) -> Table:
    if statement.kind == "FRONTENDS":
        return _frontends(question, hide_leader=question.cluster.options.leader_role_hidden)
    return _backends(question) if statement.kind == "BACKENDS" else _compute_nodes(question)


@answer.register
def _(statement: statements.ShowProc, question: Question) -> Table:
    answers: dict[str, Callable[[Question], Table]] = {
        "/frontends": lambda asked: _frontends(asked, hide_leader=False),
        "/backends": _backends,
        "/compute_nodes": _compute_nodes,
        "/statistic": _statistic,
        "/cluster_balance": _cluster_balance,
        "/cluster_balance/pending_tablets": lambda asked: _scheduled(asked, running=False),
        "/cluster_balance/running_tablets": lambda asked: _scheduled(asked, running=True),
        "/dbs": _databases,
        "/jobs": _jobs,
        f"/jobs/{DATABASE_ID}": _job_types,
        f"/jobs/{DATABASE_ID}/schema_change": _schema_changes,
    }
    if statement.path not in answers:
        raise errors.wrong_proc_path(statement.path)
    return answers[statement.path](question)


def _frontends(question: Question, *, hide_leader: bool) -> Table:
    cluster = question.cluster
    rows = [_frontend(frontend, question, hide_leader=hide_leader) for frontend in cluster.members()]
    return _table(frontend_columns(question.version), rows)


def _frontend(frontend: Frontend, question: Question, *, hide_leader: bool) -> Mapping[str, str]:
    """common/proc/FrontendsProcNode.java: a dead FE has StartTime NULL and the Version it had last."""
    cluster, now = question.cluster, question.now
    beat = frontend.heartbeat
    if frontend is question.fe:
        # An FE knows itself without a heartbeat.
        beat = Heartbeat(now, True, frontend.version, frontend.start_time)
    leads = frontend.pod == cluster.leader and not hide_leader
    return {
        "Id": str(frontend.node_id),
        "Name": f"{frontend.host}_{EDIT_LOG_PORT}_{int(cluster.created * 1000)}",
        "IP": frontend.host,
        "EditLogPort": str(EDIT_LOG_PORT),
        "HttpPort": "8030",
        "QueryPort": "9030",
        "RpcPort": "9020",
        "Role": "LEADER" if leads else frontend.role,
        "ClusterId": str(CLUSTER_ID),
        "Join": "true",
        "Alive": _bool(beat.alive),
        "ReplayedJournalId": str(cluster.replayed(frontend, now)),
        "LastHeartbeat": _last_heartbeat(beat, now),
        "IsHelper": "true",
        "ErrMsg": "" if beat.alive else "got exception: java.net.ConnectException: Connection refused",
        "StartTime": time_text(beat.start_time) if beat.alive else "NULL",
        "Version": beat.version,
    }


def _last_heartbeat(beat: Heartbeat, now: float) -> str:
    return time_text(now if beat.alive else beat.at)


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _node(node: Node, question: Question) -> dict[str, str]:
    """The columns that BE and CN share; Alive is true for the status OK only (system/ComputeNode.java)."""
    worker = str(node.node_id)
    beat = node.heartbeat
    return {
        "BackendId": worker,
        "ComputeNodeId": worker,
        "IP": node.host,
        "HeartbeatPort": "9050",
        "BePort": "9060",
        "HttpPort": "8040",
        "BrpcPort": "8060",
        "LastStartTime": time_text(beat.start_time),
        "LastHeartbeat": _last_heartbeat(beat, question.now),
        "Alive": _bool(beat.alive),
        "SystemDecommissioned": "false",
        "ClusterDecommissioned": "false",
        "ErrMsg": "" if beat.alive else "java.net.ConnectException: Connection refused",
        "Version": beat.version,
        "CpuCores": "8",
        "MemLimit": "28.800GB",
        "NumRunningQueries": str(node.queries),
        "MemUsedPct": "2.31 %",
        "CpuUsedPct": "0.4 %",
        "HasStoragePath": "true",
        "StarletPort": "9070",
        "WorkerId": worker,
        "WarehouseName": "default_warehouse",
        "TabletNum": str(len(question.cluster.tablets.on(node.pod))),
    }


def _backends(question: Question) -> Table:
    """common/proc/BackendsProcDir.java, sorted by host."""
    rows: list[Mapping[str, str]] = []
    for node in sorted(question.cluster.backends.values(), key=lambda backend: backend.host):
        alive = node.heartbeat.alive
        report = time_text(question.now) if alive else "N/A"
        disk = {
            "DataUsedCapacity": "1.204 GB",
            "AvailCapacity": "90.000 GB",
            "TotalCapacity": "100.000 GB",
            "UsedPct": "10.00 %",
            "MaxDiskUsedPct": "10.00 %",
            "DataTotalCapacity": "91.204 GB",
            "DataUsedPct": "1.32 %",
        }
        status = {
            "Status": json.dumps({"lastSuccessReportTabletsTime": report}),
            "DataCacheMetrics": "N/A",
            "Location": "",
            "StatusCode": "OK" if alive else "DISCONNECTED",
        }
        rows.append(_node(node, question) | disk | status)
    return _table(backend_columns(question.version, shared_data=question.cluster.shared_data), rows)


def _compute_nodes(question: Question) -> Table:
    """common/proc/ComputeNodeProcDir.java, sorted by host."""
    nodes = sorted(question.cluster.compute_nodes.values(), key=lambda node: node.host)
    rows: list[Mapping[str, str]] = [_node(node, question) for node in nodes]
    return _table(compute_node_columns(question.version, shared_data=question.cluster.shared_data), rows)


def _statistic(question: Question) -> Table:
    """common/proc/StatisticProcDir.java: one row per database, then Total with the number of databases as DbName.

    Clone tasks are counted in the queue of the FE that answers, so a follower shows none (inferred). In shared-data
    mode the tablets are counted, their replicas and health are not.
    """
    cluster = question.cluster
    columns = (
        "DbId DbName TableNum PartitionNum IndexNum TabletNum ReplicaNum UnhealthyTabletNum InconsistentTabletNum"
        " CloningTabletNum ErrorStateTabletNum"
    ).split()
    if not cluster.options.databases:
        return Table(columns, [])
    partitions = PARTITIONS + cluster.options.single_replica_partitions
    tables = 2 if cluster.options.single_replica_partitions else 1
    cloning = len(cluster.tablets.running) if question.fe.pod == cluster.leader else 0
    health = [cluster.unhealthy(), cluster.tablets.inconsistent, cloning, cluster.tablets.error]
    counts = [tables, partitions, partitions, cluster.tablets.total, cluster.tablets.replicas(), *health]
    figures: list[str | None] = [str(count) for count in counts]
    return Table(columns, [[str(DATABASE_ID), DATABASE, *figures], ["Total", "1", *figures]])


def _cluster_balance(question: Question) -> Table:
    """common/proc/ClusterBalanceProcDir.java."""
    cluster = question.cluster
    pending, running = cluster.pending(question.now), len(cluster.tablets.running)
    figures = {
        "cluster_load_stat": 1,
        "working_slots": sum(backend.up for backend in cluster.backends.values()),
        "sched_stat": 1,
        "priority_repair": 0,
        "pending_tablets": pending,
        "running_tablets": running,
        "history_tablets": min(cluster.tablets.healed, 1000),
        "all_tablets": pending + running,
    }
    return Table(["Item", "Number"], [[item, str(figures[item])] for item in balance_rows(question.version)])


def _scheduled(question: Question, *, running: bool) -> Table:
    cluster = question.cluster
    count = len(cluster.tablets.running) if running else cluster.pending(question.now)
    state = "RUNNING" if running else "PENDING"
    columns = ["TabletId", "Type", "Medium", "Status", "State"]
    rows: list[list[str | None]] = [
        [str(20000 + index), "REPAIR", "HDD", "VERSION_INCOMPLETE", state] for index in range(count)
    ]
    return Table(columns, rows)


def _databases(question: Question) -> Table:
    tables = "2" if question.cluster.options.single_replica_partitions else "1"
    row: list[str | None] = [str(DATABASE_ID), DATABASE, tables, "8388608.000 TB", "NULL", "9223372036854775807"]
    return Table(["DbId", "DbName", "TableNum", "Quota", "LastConsistencyCheckTime", "ReplicaQuota"], [row])


def _jobs(question: Question) -> Table:
    return Table(["DbId", "DbName"], [[str(DATABASE_ID), DATABASE]])


def _job_types(question: Question) -> Table:
    """common/proc/JobsProcDir.java."""
    running = {"schema_change": question.cluster.options.schema_changes}
    rows: list[list[str | None]] = []
    for kind in ("load", "delete", "rollup", "schema_change", "export"):
        count = str(running.get(kind, 0))
        rows.append([kind, "0", count, "0", "0", count])
    return Table(["JobType", "Pending", "Running", "Finished", "Cancelled", "Total"], rows)


def _schema_changes(question: Question) -> Table:
    """common/proc/SchemaChangeProcDir.java."""
    columns = (
        "JobId TableName CreateTime FinishTime IndexName IndexId OriginIndexId SchemaVersion TransactionId State Msg"
        " Progress Timeout"
    ).split()
    created = time_text(question.cluster.created)
    rows: list[list[str | None]] = [
        [str(10500 + job), "orders", created, "NULL", "orders", "1", "2", "1:0", "7", "RUNNING", "", "3/10", "86400"]
        for job in range(question.cluster.options.schema_changes)
    ]
    return Table(columns, rows)


@answer.register
def _(statement: statements.ShowConfig, question: Question) -> Table:
    """ConfigBase.getConfigInfo: the values of this very FE; LIKE matches aliases too, Key is the canonical name."""
    rows: list[Mapping[str, str]] = [
        {
            "Key": key.name,
            "AliasNames": f"[{', '.join(key.aliases)}]",
            "Value": question.fe.settings[key.name],
            "Type": key.type,
            "IsMutable": _bool(key.mutable),
            "Comment": key.comment,
        }
        for key in settings.matching(statement.pattern)
    ]
    return _table(config_columns(question.version), rows)


@answer.register
def _(statement: statements.SetConfig, question: Question) -> Table:
    question.cluster.set_config(
        statement.key,
        statement.value,
        persistent=statement.persistent,
        user=question.session.user,
        now=question.now,
    )
    return NOTHING


@answer.register
def _(statement: statements.CreateImage, question: Question) -> Table:
    question.cluster.create_image(question.now)
    return NOTHING


@answer.register
def _(statement: statements.TransferLeader, question: Question) -> Table:
    if not question.cluster.options.transfer_leader:
        raise errors.parse_error("TRANSFER")
    question.cluster.transfer_leader(statement.host, statement.port, question.now)
    return NOTHING


@answer.register
def _(statement: statements.ShowVariables, question: Question) -> Table:
    pattern = settings.like_pattern(statement.pattern if statement.pattern is not None else "%")
    rows: list[list[str | None]] = [
        [name, value] for name, value in sorted(question.session.variables.items()) if pattern.fullmatch(name)
    ]
    return Table(["Variable_name", "Value"], rows)


@answer.register
def _(statement: statements.ShowNothing, question: Question) -> Table:
    return Table(list(statement.columns), [])


@answer.register
def _(statement: statements.ShowDatabases, question: Question) -> Table:
    return Table(["Database"], [["information_schema"], [DATABASE], ["sys"]])


@answer.register
def _(statement: statements.UseDatabase, question: Question) -> Table:
    if statement.name not in (DATABASE, "information_schema", "sys"):
        raise errors.StatementError(f"Unknown database '{statement.name}'", 1049, "42000")
    question.session.database = statement.name
    return NOTHING
