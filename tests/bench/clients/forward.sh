# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What both scripts begin with: a way to ordinal 0 of the FEs. KUBECONFIG, NAMESPACE, CLUSTER, FORWARDED (a file for
# kubectl's words) and MYSQL_PWD.

forward() {
    : >"$FORWARDED"
    kubectl -n "$NAMESPACE" port-forward "pod/$CLUSTER-fe-0" :9030 >"$FORWARDED" 2>&1 &
    forwarder=$!
    until read -r words <"$FORWARDED"; do sleep 0.1; done
    words=${words#*127.0.0.1:}
    port=${words%% *}
}

sql() {
    mysql -h 127.0.0.1 -P "$port" -u root -E -e "$1"
}
