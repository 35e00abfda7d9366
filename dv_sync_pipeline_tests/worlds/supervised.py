"""Processes as an init system runs them: started, killed by somebody, started again.

Belongs here: one process with its log and its memory. Which processes make a pipeline stands in
`followed_pair.py`.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
START_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 10.0
POLL_SECONDS = 0.1


@dataclass
class Supervised:
    """One service, in a process session of its own, as in a container of its own.

    Attributes:
        name: for people.
        arguments: what Python runs, after its `-m`.
        variables: its process environment.
        log: file with everything that it ever said.
        answers: whether it is ready.

    """

    name: str
    arguments: Sequence[str]
    variables: Mapping[str, str]
    log: Path
    answers: Callable[[], bool]
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def process_id(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; it need not answer yet."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self.arguments],
                env=dict(self.variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.answers():
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, f"the {self.name} does not answer"
            time.sleep(POLL_SECONDS)

    def kill(self) -> None:
        """All of its session at once, as a container that is killed: run workers are in it."""
        assert self._process is not None
        os.killpg(self.process_id, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """In order, if it can; otherwise by force."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            pass
        finally:
            end_session(self.process_id)
            self._process.wait()


def end_session(process_id: int) -> None:
    """Kill what is left of the session that this process led."""
    try:
        os.killpg(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def find_free_port() -> int:
    """The system gives a port away again only after many others."""
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def memory_mebibytes(process_id: int) -> float:
    """Resident memory of a process; Linux tells it in pages. 0 once it has ended."""
    try:
        pages = int(Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_seconds(process_id: int) -> float:
    """What a process has computed so far, as Linux counts it. 0 once it has ended."""
    state = _state(process_id)
    return (int(state[_USER_TICKS]) + int(state[_SYSTEM_TICKS])) / _TICKS if state else 0.0


def session_of(process_id: int) -> set[int]:
    """Every process of the session that this one leads, itself included."""
    others = (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit())
    return {
        each for each in others if (state := _state(each)) and int(state[_SESSION]) == process_id
    }


_SESSION, _USER_TICKS, _SYSTEM_TICKS = 3, 11, 12
"""Places in /proc/PID/stat, behind the name of the program."""

_TICKS = os.sysconf("SC_CLK_TCK")


def _state(process_id: int) -> list[str]:
    """Nothing of a process that has ended."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
