"""Check the project that `anylane new` writes, from the wheel and as its container is built.

`python -m tools.new_project` installs the wheel into an environment of its own and has that write a
project. Then it does by hand, in order, what the Containerfile says: no docker is needed, so what
is not checked is the base image and the change of user. The image's command serves two requests,
and its health check has to pass. Needs PyPI.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from tools.verify_types import installed


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Return the instructions of a Containerfile, each with what follows it on its line."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        yield name, rest


@dataclass
class Image:
    """What the instructions of a Containerfile come to, below a folder that stands for `/`."""

    project: Path
    root: Path
    wheels: Path
    """Where pip finds anylane."""
    directory: Path = field(init=False)
    stages: int = 0
    user: str = "root"
    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def build(self) -> None:
        """Do what the Containerfile says. Raise ValueError for what it may not say."""
        text = (self.project / "Containerfile").read_text(encoding="utf-8")
        for name, rest in instructions(text):
            match name:
                case "FROM":
                    self.stages += 1
                    self.directory = self.root
                    self.root.mkdir(exist_ok=True)
                case "WORKDIR":
                    self.directory = Path(self._moved(rest))
                    self.directory.mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self._copy(rest)
                case "RUN":
                    self._run(self._moved(rest))
                case "USER":
                    self.user = rest
                case "ENV":
                    pairs = (pair.partition("=") for pair in shlex.split(rest))
                    self.environment.update({key: value for key, _, value in pairs})
                case "HEALTHCHECK":
                    self.health = self._words(rest.partition("CMD ")[2])
                case "CMD":
                    self.command = self._words(rest)
                case "EXPOSE":
                    pass
                case _:
                    raise ValueError(f"the Containerfile has {name}; teach {__file__} what it does")

    def _copy(self, rest: str) -> None:
        *sources, target = rest.split()
        if sources[0].startswith("--from="):
            if sources[1:] != [target]:  # An environment does not work in another place.
                raise ValueError(f"COPY {rest}: from one stage to another, and to another place")
            return
        for source in sources:
            found = self.project / source
            if found.is_dir():
                shutil.copytree(found, self.directory / target)
            else:
                shutil.copy(found, self.directory / target)

    def _run(self, command: str) -> None:
        subprocess.run(
            re.sub(r"^python ", f"{sys.executable} ", command),
            shell=True,
            cwd=self.directory,
            env={**os.environ, "PIP_FIND_LINKS": str(self.wheels), "PIP_QUIET": "1"},
            check=True,
        )

    def _words(self, text: str) -> list[str]:
        words: list[str] = json.loads(text)
        return [self._moved(word) for word in words]

    def _moved(self, text: str) -> str:
        return re.sub(r"(?<!\S)/(?!/)", f"{self.root}/", text)


def serve(image: Image) -> None:
    """Run the image's command and its health check. Raise AssertionError if one of them fails."""
    environment = {**os.environ, **image.environment}
    # In the image it is all addresses and port 8000; here it is this machine and any port.
    environment |= {"ANYLANE_HOST": "127.0.0.1", "ANYLANE_PORT": "0"}
    server = subprocess.Popen(
        image.command, cwd=image.root, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        url = re.search(r"http://\S+:(\d+)", line)
        assert url is not None, line
        for path, expected in (("/greetings/Ada", b"Hello, Ada!"), ("/docs", b"<title>Price-List")):
            with urlopen(url[0] + path, timeout=10) as answer:
                assert expected in answer.read(), path
        health = [word.replace(":8000", f":{url[1]}") for word in image.health]
        assert health != image.health
        subprocess.run(health, check=True, env=environment)
        server.terminate()
        assert server.wait(20) == 0
        dead = subprocess.run(health, check=False, env=environment, capture_output=True)
        assert dead.returncode == 1, "the health check passes without a server"
        print(f"served: {line.strip()}")
    finally:
        server.kill()
        server.communicate()


def main() -> int:
    """Return 0 if the project of the wheel passes its checks and is served as in its container."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = installed(folder)
        subprocess.run([commands / "anylane", "new", "Price-List"], cwd=folder, check=True)
        project = folder / "Price-List"
        for check in ("pytest", "mypy"):
            # As modules: the libraries' commands belong to another environment.
            subprocess.run([commands / "python", "-m", check], cwd=project, check=True)
        image = Image(project, folder / "root", folder / "wheels")
        image.build()
        assert image.stages == 2
        assert image.user not in ("", "0", "root")
        serve(image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
