# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real parts for tests of database upgrades: PostgreSQL, MariaDB, a registry with images, and metrics APIs.

Nothing here is built, downloaded or started before a test asks for it.
"""
