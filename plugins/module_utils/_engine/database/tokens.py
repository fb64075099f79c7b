# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Tokens for databases of AWS, and the authorities that those are verified against."""

from __future__ import annotations

from ansible_collections.steady.rollout.plugins.module_utils._aws.call import call
from ansible_collections.steady.rollout.plugins.module_utils._domain.database import aws as login
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import Aws
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.databases import Means
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import Undertaking


def made(work: Undertaking, aws: Aws) -> login.Token:
    """A token made now. Raises NoToken."""
    order = login.request(aws, login.session_name(work.namespace, work.owner.name))
    return login.token(call(order, work.signer, work.rules.aws.python), aws)


def bundle(means: Means) -> bytes | None:
    """The authorities of databases; None where the image of Atlas knows them. Raises NoToken."""
    path = means.ca_bundle
    if path == login.SYSTEM:
        return None
    if not path:
        raise login.no_bundle(path, "not given: nobody could tell the database from somebody in between")
    try:
        with open(path, "rb") as file:
            content = file.read(login.MOST_CA_BYTES + 1)
    except OSError as error:
        raise login.no_bundle(path, f"cannot be read: {error.strerror}") from None
    return login.checked_bundle(path, content)
