"""Reads environments over plain HTTP and compares them, without a line of our own client.

A mistake in the client or the engine would otherwise be its own witness. Understands only what it
needs: a token, one page after the other, and the mapping of `sync.yaml` as a plain dictionary.
"""

import json
import ssl
from collections import Counter
from decimal import Decimal
from pathlib import Path

import httpx
import yaml

STATUS = ("statecode", "statuscode")
DESCRIPTION = ("EntitySetName", "PrimaryIdAttribute", "PrimaryNameAttribute")


class Environment:
    """One environment, through httpx alone.

    Attributes:
        settings: its part of `sync.yaml`.
        authorization: header of its user, who is known by it for an hour.

    """

    def __init__(self, sync_yaml: Path, name: str, *, is_administrator: bool = False) -> None:
        self._is_administrator = is_administrator
        self.settings = yaml.safe_load(sync_yaml.read_text())["environments"][name]
        folder = sync_yaml.parent
        trust = ssl.create_default_context(cafile=folder / self.settings["ca_file"])
        self._http = httpx.Client(verify=trust, trust_env=False, timeout=30)
        self.authorization = self._own_authorization(folder)
        self._http.headers["authorization"] = self.authorization
        self._api = f"{self.settings['url']}/api/data/v9.2"
        self._descriptions: dict[str, dict] = {}

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def authorization_of(self, client_id: str, client_secret: str) -> str:
        """What another application user sends with each request."""
        tenant_id = self.settings["credentials"][0]["tenant_id"]
        answer = self._http.post(
            f"{self.settings['authority']}/{tenant_id}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": client_secret,
                "scope": f"{self.settings['url']}/.default",
            },
        )
        answer.raise_for_status()
        return f"Bearer {answer.json()['access_token']}"

    def _own_authorization(self, folder: Path) -> str:
        users = self.settings["credentials"]
        credential = self.settings["administrator"] if self._is_administrator else users[0]
        secret = (folder / credential["client_secret_file"]).read_text().strip()
        return self.authorization_of(credential["client_id"], secret)

    def describe(self, table: str) -> dict:
        """What the table says of itself: entity set, id column, name column (DATAVERSE 3.1)."""
        if table not in self._descriptions:
            where = f"{self._api}/EntityDefinitions(LogicalName='{table}')"
            answer = self._http.get(where, params={"$select": ",".join(DESCRIPTION)})
            answer.raise_for_status()
            self._descriptions[table] = answer.json()
        return self._descriptions[table]

    def address(self, table: str) -> str:
        """Where the rows of a table are."""
        return f"{self._api}/{self.describe(table)['EntitySetName']}"

    def custom_columns(self, table: str) -> set[str]:
        """The columns that customers made."""
        where = f"{self._api}/EntityDefinitions(LogicalName='{table}')/Attributes"
        answer = self._http.get(where, params={"$select": "LogicalName,IsCustomAttribute"})
        answer.raise_for_status()
        columns = answer.json()["value"]
        return {column["LogicalName"] for column in columns if column["IsCustomAttribute"]}

    def rows(self, table: str, condition: str = "") -> list[dict]:
        """Every row (of those that fulfil it) with every column, decimal numbers exact."""
        url = self.address(table) + (f"?$filter={condition}" if condition else "")
        rows = []
        while url:
            answer = self._http.get(url, headers={"prefer": "odata.maxpagesize=1000"})
            answer.raise_for_status()
            page = json.loads(answer.text, parse_float=Decimal)
            rows += page["value"]
            url = page.get("@odata.nextLink")
        return rows

    def count(self, table: str) -> int:
        """How many rows there are (up to 5,000 exactly; DATAVERSE 6.3)."""
        answer = self._http.get(f"{self.address(table)}/$count")
        answer.raise_for_status()
        return int(answer.text.lstrip("\ufeff"))

    def send(self, method: str, path: str, **arguments: object) -> httpx.Response:
        """One request below the root of the Web API; it must succeed."""
        answer = self._http.request(method, f"{self._api}{path}", **arguments)
        answer.raise_for_status()
        return answer

    def control(self, method: str, path: str, **arguments: object) -> httpx.Response:
        """Pull a lever of the emulator; it must give way."""
        url = f"{self.settings['url']}/control{path}"
        return self._http.request(method, url, **arguments).raise_for_status()

    def update(self, table: str, row_id: str, values: dict) -> None:
        """Change a row that exists, as a user of the environment would."""
        answer = self._http.patch(
            f"{self.address(table)}({row_id})",
            json=values,
            headers={"if-match": "*"},
        )
        answer.raise_for_status()


class Judge:
    """Compares both environments as `sync.yaml` maps them.

    Attributes:
        primary, secondary: the two environments.
        tables: the `tables` part of `sync.yaml`.

    """

    def __init__(self, sync_yaml: Path) -> None:
        self.primary = Environment(sync_yaml, "primary")
        self.secondary = Environment(sync_yaml, "secondary")
        self.tables = yaml.safe_load(sync_yaml.read_text())["tables"]

    def close(self) -> None:
        """Let go of the connections."""
        self.primary.close()
        self.secondary.close()

    def snapshot(self, environment: Environment) -> dict[str, list[dict]]:
        """Table → all its rows."""
        return {table["table"]: environment.rows(table["table"]) for table in self.tables}

    def readable(self, snapshot: dict[str, list[dict]]) -> dict[str, Counter]:
        """Table → mapped values of its rows, lookups as the key of the row they point to.

        So two environments agree when these are equal, whatever GUIDs they use.
        """
        keys = {table: keys_by_id(rows, table) for table, rows in snapshot.items()}
        return {
            table["table"]: Counter(
                tuple(_readable(row, table, keys)) for row in snapshot[table["table"]]
            )
            for table in self.tables
        }


def keys_by_id(rows: list[dict], table: str) -> dict[str, str]:
    """GUID → code; rooms, which nothing points to, have none."""
    return {row[f"{table}id"]: row.get("contoso_code") for row in rows}


def _readable(row: dict, table: dict, keys: dict[str, dict[str, str]]):
    for column in table["columns"]:
        yield column, row[column]
    for column, parent in table.get("lookups", {}).items():
        parent_id = row[f"_{column}_value"]
        yield column, parent_id and keys[parent][parent_id]
    for column in STATUS:
        yield column, row[column]
