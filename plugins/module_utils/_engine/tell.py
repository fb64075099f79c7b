# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Telling others of a run: Events, notifications and metrics, from the one stream of events in its record.

Telling never stops a run. A channel that fails is left alone until the next step, and its failure is told as well.
Nothing is told twice: the record that goes before says up to where it has been told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.events import metrics
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import (
    Announcement,
    announcements,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.kubernetes import Regarding
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.messages import (
    Topic,
    json_payload,
    slack_payload,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import Installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.told import (
    MetricsTarget,
    Notification,
    Source,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import own_policy
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.describe import versions
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Event, Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import encoded, message_id, signed_headers
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.exporting import Told, to_gateway, to_textfile
from ansible_collections.steady.rollout.plugins.module_utils._http.call import call
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.events import EventWriter

CLUSTER_API = "starrocks.com/v1"


class Channel(Protocol):
    """Somebody who is told."""

    name: str

    def messages(self, record: Record, news: Sequence[Announcement]) -> Sequence[Callable[[], None]]:
        """What is new, which may be nothing, message by message; to send one may raise RolloutError."""


@dataclass
class Teller:
    """Tells every channel, after each write of the record."""

    channels: Sequence[Channel]
    say: Callable[[str], None] = lambda line: None
    _broken: set[str] = field(default_factory=set)

    def tell(
        self, record: Record, fresh: Sequence[tuple[int, Event]], turn: Callable[[], None] = lambda: None
    ) -> dict[str, str]:
        """Tell of the fresh events of a record that has been written. `turn` is called before each message.

        Returns why channels failed, by their name, as far as the record does not say already that they do.
        """
        news = announcements(fresh)
        problems: dict[str, str] = {}
        for channel in self.channels:
            if channel.name in self._broken:
                continue
            error = _told(channel.messages(record, news), turn)
            if error is None:
                continue
            self._broken.add(channel.name)
            if not any((event.kind, event.subject) == ("note", channel.name) for event in record.events):
                problems[channel.name] = f"{channel.name}: {error.reason}"
                self.say(f"{channel.name}: {error.reason} Nothing else depends on it. Remedy: {error.remedy}")
        return problems


def _told(messages: Sequence[Callable[[], None]], turn: Callable[[], None]) -> RolloutError | None:
    """Send one after the other, up to the first that cannot be sent; why it could not."""
    for send in messages:
        turn()
        try:
            send()
        except RolloutError as error:
            return error
    return None


def teller(
    client: KubeClient,
    installation: Installation,
    namespace: str,
    clock: Clock,
    say: Callable[[str], None],
    *,
    regarding: Regarding | None = None,
) -> Teller:
    """Who is told of a run in the namespace. Events are about its StarRocksCluster, unless `regarding` names another
    object, such as the StarRocksUpgrade that asked for the run."""
    channels: list[Channel] = [KubernetesEvents(client, namespace, regarding)]
    channels += [Notifier(notification, namespace, clock) for notification in installation.notifications]
    target = installation.metrics
    if target.textfile:
        channels.append(Textfile(target.textfile, namespace, clock))
    if target.pushgateway:
        channels.append(Pushgateway(target, namespace, clock))
    return Teller(channels, say)


@dataclass
class KubernetesEvents:
    """Events about one object."""

    client: KubeClient
    namespace: str
    regarding: Regarding | None = None
    name: str = "Kubernetes Events"
    _writer: EventWriter | None = None

    def messages(self, record: Record, news: Sequence[Announcement]) -> Sequence[Callable[[], None]]:
        """Each is an Event."""
        if self._writer is None:
            own = Regarding(CLUSTER_API, "StarRocksCluster", record.cluster, self.namespace, record.cluster_uid)
            self._writer = EventWriter(self.client, self.regarding or own)
        return [partial(self._writer.write, announcement) for announcement in news]


class Notifier:
    """Messages to one receiver of the installation."""

    def __init__(self, notification: Notification, namespace: str, clock: Clock) -> None:
        self.name = f"notification {notification.name}"
        self._notification = notification
        self._namespace = namespace
        self._clock = clock

    def messages(self, record: Record, news: Sequence[Announcement]) -> Sequence[Callable[[], None]]:
        """What this receiver wants to know."""
        wanted = [announcement for announcement in news if announcement.reason in self._notification.reasons]
        topic = topic_of(record, self._namespace)
        return [partial(self._send, announcement, topic) for announcement in wanted]

    def _send(self, announcement: Announcement, topic: Topic) -> None:
        given = self._notification
        url = _looked_up(given.url, self.name)
        payload = slack_payload if given.type == "slack" else json_payload
        body = encoded(payload(announcement, topic))
        ask_id = message_id(f"{topic.run}/{announcement.number}/{given.name}")
        headers = {"User-Agent": "steady-rollout", "Content-Type": "application/json", "Idempotency-Key": ask_id}
        if given.hmac is not None:
            headers |= signed_headers(_looked_up(given.hmac, self.name), ask_id, int(self._clock.epoch()), body)
        policy = own_policy(url, "url", ca_file=given.ca_file, timeout_seconds=given.timeout_seconds)
        answer = call(url, "POST", headers, body, policy, timeout=given.timeout_seconds)
        if not 200 <= answer.status < 300:
            raise Told(f"answered with status {answer.status}.", remedy="look at the receiver's log")


class Textfile:
    """A file for node_exporter's textfile collector, which reads every *.prom of one folder."""

    name = "metrics textfile"

    def __init__(self, folder: str, namespace: str, clock: Clock) -> None:
        self._folder = folder
        self._namespace = namespace
        self._clock = clock

    def messages(self, record: Record, news: Sequence[Announcement]) -> Sequence[Callable[[], None]]:
        """The whole file, anew."""
        return [partial(self._replace, record)]

    def _replace(self, record: Record) -> None:
        """Replace the cluster's file; it appears whole or not at all."""
        text = metrics.render(record, self._namespace, self._clock.epoch())
        to_textfile(self._folder, f"steady_rollout_{self._namespace}_{record.cluster}", text)


class Pushgateway:
    """A Prometheus Pushgateway; the group of a cluster is replaced as a whole."""

    name = "metrics pushgateway"

    def __init__(self, target: MetricsTarget, namespace: str, clock: Clock) -> None:
        self._target = target
        self._namespace = namespace
        self._clock = clock

    def messages(self, record: Record, news: Sequence[Announcement]) -> Sequence[Callable[[], None]]:
        """The whole group when there is something new; every write of the record would be too often."""
        return [partial(self._push, record)] if news else []

    def _push(self, record: Record) -> None:
        group = {"rollout_namespace": self._namespace, "rollout_target": record.cluster}
        text = metrics.render(record, self._namespace, self._clock.epoch())
        to_gateway(self._target, "steady_rollout", group, text)


def topic_of(record: Record, namespace: str) -> Topic:
    """What every message about a run says."""
    moved = f"{versions(record.baseline.images)} -> {versions(record.target)}"
    return Topic(namespace, record.cluster, record.run, moved)


def _looked_up(source: Source, name: str) -> str:
    """The text of a source; errors name where it should be, never what is there."""
    if source.value:
        return source.value
    if source.env:
        if not os.environ.get(source.env):
            raise Told(f"environment variable {source.env} is not set.", remedy="set it where the modules run")
        return os.environ[source.env].strip()
    try:
        with open(source.file, encoding="utf-8") as file:
            return file.read(65_536).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise Told(f"{source.file} cannot be read: {why}.", remedy=f"correct the {name} of the installation") from None
