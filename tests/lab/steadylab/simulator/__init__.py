# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A StarRocks simulator on the MySQL protocol, driven by pods.

Pure: ``model`` (what there is), ``world`` and ``tablets`` (what happens), ``statements`` and ``answers`` (what an FE
understands and shows), ``settings``, ``versions``, ``faults``. With I/O: ``simulation`` runs the clusters and their
listeners (``server``), ``pods`` feeds it from a Kubernetes watch, ``control`` lets tests meddle; ``harness`` is for
tests without Kubernetes.
"""
