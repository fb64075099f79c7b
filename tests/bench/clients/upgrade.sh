#!/bin/sh
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# An upgrade as people script it: kubectl, a MySQL client, `kubectl rollout status`. Constants, no trap, no gate but
# Alive, as such scripts are.
# KUBECONFIG, NAMESPACE, CLUSTER, VERSION, TIMEOUT (seconds), FORWARDED (a file for kubectl's words) and MYSQL_PWD.
set -eu
. "$(dirname "$0")/forward.sh"

set_all() {
    sql "ADMIN SET FRONTEND CONFIG ('tablet_sched_max_scheduling_tablets' = '$1');
         ADMIN SET FRONTEND CONFIG ('tablet_sched_max_balancing_tablets' = '$2');
         ADMIN SET FRONTEND CONFIG ('tablet_sched_disable_balance' = '$3');
         ADMIN SET FRONTEND CONFIG ('tablet_sched_disable_colocate_balance' = '$3')"
}

upgrade() {
    image=starrocks/$1-ubuntu:$VERSION
    echo "upgrading $1 to $image"
    kubectl -n "$NAMESPACE" patch starrockscluster "$CLUSTER" --type merge -p "{\"spec\":{\"$2\":{\"image\":\"$image\"}}}"
    until [ "$(kubectl -n "$NAMESPACE" get statefulset "$CLUSTER-$1" \
        -o 'jsonpath={.spec.template.spec.containers[0].image}')" = "$image" ]; do sleep 5; done
    kubectl -n "$NAMESPACE" rollout status "statefulset/$CLUSTER-$1" --timeout="${TIMEOUT}s"
}

alive() {
    until answer=$(sql "$1") && case $answer in *"Alive: false"*) false ;; *"Alive: true"*) ;; *) false ;; esac do sleep 5; done
}

forward
set_all 0 0 true
upgrade be starRocksBeSpec
alive "SHOW BACKENDS"
upgrade fe starRocksFeSpec
kill "$forwarder" 2>/dev/null || true
wait "$forwarder" || true
forward
alive "SHOW BACKENDS"
set_all 10000 500 false
sql "ADMIN SHOW FRONTEND CONFIG LIKE 'tablet_sched_%'" >/dev/null
kill "$forwarder"
wait "$forwarder" || true
echo upgraded
