"""Addresses of services that nobody has, each with the parts that must be seen nowhere.

What must not be seen where lives in the test modules.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Address:
    """An address, and what of it is secret."""

    url: str
    name: str
    """What may be shown of it."""
    secrets: tuple[str, ...]


WITH_SECRETS = {
    "json with a password": Address(
        "json://jules:pa55w0rd%21@127.0.0.1:9/hooks/k3yinpath?+X-Token=h3adersecret&-sig=qu3rysecret&:field=f1eldsecret",
        "json://127.0.0.1",
        ("jules", "pa55w0rd", "k3yinpath", "h3adersecret", "qu3rysecret", "f1eldsecret"),
    ),
    "mailto": Address(
        "mailto://postman:s3cretpass@127.0.0.1:9?from=postman@example.org&to=oncall@example.org&mode=insecure",
        "mailto://127.0.0.1",
        ("postman", "s3cretpass", "oncall"),
    ),
    "slack": Address(
        "slack://T0OURTEAM/A0OURHOOK/notATokenThatOpensAnyth1/#board-room",
        "slack://***",
        ("T0OURTEAM", "A0OURHOOK", "notATokenThatOpensAnyth1", "board-room"),
    ),
    "slack, as Slack shows it": Address(
        "https://hooks.slack.com/services/T0OURTEAM/A0OURHOOK/notATokenThatOpensAnyth1",
        "slack://***",
        ("T0OURTEAM", "A0OURHOOK", "notATokenThatOpensAnyth1"),
    ),
    "workflows": Address(
        "workflows://127.0.0.1:9/0ur0wnw0rkfl0wthatisn0tthere0000/s1gnatureOfNobody",
        "workflows://127.0.0.1",
        ("0ur0wnw0rkfl0wthatisn0tthere0000", "s1gnatureOfNobody"),
    ),
    "discord": Address(
        "discord://1029384756/hookOfNobody_0nD1sc0rd",
        "discord://***",
        ("1029384756", "hookOfNobody_0nD1sc0rd"),
    ),
    "telegram": Address(
        "tgram://987654321:botOfNobody_t0k3n/55667788/",
        "tgram://***",
        ("987654321", "botOfNobody_t0k3n", "55667788"),
    ),
    "ntfy, whose topic is the secret": Address("ntfy://s3crettopic", "ntfy://***", ("s3crettopic",)),
    "pagerduty": Address(
        "pagerduty://integrationkey00@apikey00/node-of-ours/part",
        "pagerduty://***",
        ("integrationkey00", "apikey00", "node-of-ours"),
    ),
}
"""None of them reaches anything: port 9 of this machine has no listener, and tests lead the others there too."""
