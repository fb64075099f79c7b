# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Append the note in $NOTE, with what the kubeconfig says and the time, to the notes of its object."""

import hashlib
import json
import os
import sys
import time

import yaml

note = json.loads(os.environ["NOTE"])
with open(note["kubeconfig"], encoding="utf-8") as handle:
    kubeconfig = yaml.safe_load(handle)
contexts = {entry["name"]: entry["context"] for entry in kubeconfig["contexts"]}
note["context"] = contexts[kubeconfig["current-context"]]
note["time"] = time.time()
meta = note["meta"]
name = hashlib.sha1("{}/{}".format(meta["namespace"], meta["name"]).encode()).hexdigest()
path = os.path.join(sys.argv[1], name)
with open(path, "a", encoding="utf-8") as handle:
    handle.write(json.dumps(note) + "\n")
