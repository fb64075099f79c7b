#!/bin/sh
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# A preparation as people script it: the annotations, a port-forward to one FE, constants, a look whether they took, and
# an annotation that says so. What was set before is not kept, and nothing puts it back.
# KUBECONFIG, NAMESPACE, CLUSTER, FORWARDED (a file for kubectl's words) and MYSQL_PWD.
set -eu
. "$(dirname "$0")/forward.sh"

annotate() {
    kubectl -n "$NAMESPACE" annotate --overwrite starrockscluster "$CLUSTER" "$@"
}

annotate starrocks.com/prepare-upgrade=true starrocks.com/upgrade-hooks=disable-tablet-clone,disable-balancer
forward
sql "ADMIN SET FRONTEND CONFIG ('tablet_sched_max_scheduling_tablets' = '0')"
sql "ADMIN SET FRONTEND CONFIG ('disable_balance' = 'true')"
sql "ADMIN SHOW FRONTEND CONFIG LIKE 'tablet_sched_max_scheduling_tablets'" | grep -q "Value: 0$"
sql "ADMIN SHOW FRONTEND CONFIG LIKE 'tablet_sched_disable_balance'" | grep -q "Value: true$"
kill "$forwarder"
wait "$forwarder" || true
annotate starrocks.com/upgrade-preparation=Completed
echo Completed
