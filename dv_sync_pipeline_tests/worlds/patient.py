"""A pipeline on which `dv-sync doctor` makes its examination, and ways to make it ill.

Belongs here: what the tests of the examination share. What is expected stands in the tests.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dv_sync_pipeline import config
from dv_sync_pipeline.errors import UnreachableError
from dv_sync_pipeline.sync.examination import Level, examine
from dv_sync_pipeline_tests.worlds.emulated_pair import VARIABLES, EmulatedPair
from dv_sync_pipeline_tests.worlds.hand_made import PIPELINE

GATEWAY = """\
gateway:
  keys: ["${KEY}"]
  url: https://gateway.example/wake-ups
"""
USER = f"application {PIPELINE}"


@dataclass
class Patient:
    """A pipeline that is examined.

    Attributes:
        pair: its environments.
        text: its sync.yaml.
        statuses: address → HTTP status with which it answers; others do not answer.

    """

    pair: EmulatedPair
    text: str
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def configuration(self):
        """What sync.yaml says."""
        variables = {**VARIABLES, "KEY": "k" * 43}
        return config.parse(self.text, variables, file=self.pair.folder / "sync.yaml")

    def findings(self, *, connect=None):
        """All of them."""
        return asyncio.run(
            examine(
                self.configuration,
                connect=connect or self.pair.connect,
                clock=lambda: datetime.now(UTC),
                probe=self._probe,
            )
        )

    async def _probe(self, url):
        if url not in self.statuses:
            raise UnreachableError(f"{url} does not answer")
        return self.statuses[url]

    def complaints(self, **arguments):
        """(level, check, environment, table, what) of whatever is not well."""
        return {
            (str(each.level), each.check, each.environment, each.table, each.what)
            for each in self.findings(**arguments)
            if each.level is not Level.OK
        }

    def change(self, old, new):
        """Change the text of sync.yaml."""
        assert old in self.text
        self.text = self.text.replace(old, new)

    def revoke(self, side, right):
        """Take a right from the role of the pipeline."""
        changed = side.store.database.execute(f"{_OF_ROLE.format('DELETE FROM')}", (right,))
        assert 1 == changed.rowcount

    def limit(self, side, right, depth):
        """Let a right of the pipeline reach less far."""
        sql = _OF_ROLE.format("UPDATE").replace("WHERE", f"SET depth = '{depth}' WHERE", 1)
        assert 1 == side.store.database.execute(sql, (right,)).rowcount

    def only_on(self, side, right, tables):
        """Let a right of the pipeline extend to these tables alone."""
        database = side.store.database
        role = database.value("SELECT roleid FROM role WHERE name = 'Pipeline'")
        self.revoke(side, right)
        rows = [(role, right, table, "Global") for table in tables]
        database.executemany("INSERT INTO _dv_role_privilege VALUES (?, ?, ?, ?)", rows)

    def by_hand(self, side, *request, **arguments):
        """One request that must succeed."""
        return asyncio.run(side.send(*request, **arguments))


_OF_ROLE = (
    "{} _dv_role_privilege WHERE action = ? AND role_id = "
    "(SELECT roleid FROM role WHERE name = 'Pipeline')"
)
