"""tools/: how stages are run and counted, what they are, and how other Pythons are found."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools import check, pythons, stages
from tools.pythons import Python
from tools.stages import ROOT, Stage, closing_line, run


def stage(name: str, code: str, *arguments: str | Path, after: str | None = None) -> Stage:
    return Stage(name=name, command=[sys.executable, "-c", code, *arguments], after=after)


# --- running ---------------------------------------------------------------------------------


def test_all_stages_run_though_one_fails_and_the_status_is_1(tmp_path, capsys):
    three = [stage("a", "print('one')"), stage("b", "raise SystemExit(5)"), stage("c", "print(3)")]
    assert run(three, folder=tmp_path, jobs=1) == 1
    table = capsys.readouterr().out.partition("######## result\n")[2]
    assert re.fullmatch(
        r"  passed in \d+\.\d s +a\n  failed in \d+\.\d s +b\n  passed in \d+\.\d s +c\n"
        r"=+ no tests ran in \d+\.\d\ds =+\n",
        table,
    )


def test_the_status_is_0_if_all_passed(tmp_path):
    assert run([stage("a", ""), stage("b", "")], folder=tmp_path, jobs=2) == 0


def test_a_stage_that_a_signal_ends_has_failed(tmp_path, capsys):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run([stage("a", code)], folder=tmp_path, jobs=1) == 1
    assert "failed by signal 9 in " in capsys.readouterr().out


def test_a_command_that_does_not_exist_fails_its_stage_alone(tmp_path, capsys):
    two = [Stage(name="a", command=[tmp_path / "none"]), stage("b", "print('still run')")]
    assert run(two, folder=tmp_path / "out", jobs=1) == 1
    printed = capsys.readouterr().out
    assert f"No such file or directory: '{tmp_path}/none'" in printed
    assert "still run" in printed


MEET = "import sys; open(sys.argv[1], sys.argv[2]).close()"
"""A pipe is opened for reading when another process opens it for writing, and the reverse."""


def test_stages_run_beside_each_other(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    two = [stage("a", MEET, tmp_path / "pipe", "r"), stage("b", MEET, tmp_path / "pipe", "w")]
    assert run(two, folder=tmp_path / "out", jobs=2) == 0


def test_output_is_whole_and_in_the_order_of_the_list_however_the_stages_end(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    lines = "for n in range(20_000): print('{}', n)\n"
    two = [
        # The first ends last: it waits for what the second does at its end.
        stage("a", f"{MEET}\n{lines.format('a')}", tmp_path / "pipe", "r"),
        stage("b", f"{lines.format('b')}{MEET}", tmp_path / "pipe", "w"),
    ]
    assert run(two, folder=tmp_path / "out", jobs=2) == 0
    printed = capsys.readouterr().out.splitlines()
    shown = [line for line in printed if re.match(r"[ab] |########|--------", line)]
    ends = [re.sub(r" in .*", "", line) for line in shown if not line[0].isalpha()]
    assert ends == [
        "######## a",
        "-------- a: passed",
        "######## b",
        "-------- b: passed",
        "######## result",
    ]
    assert [line for line in shown if line[0].isalpha()] == [
        f"{name} {n}" for name in "ab" for n in range(20_000)
    ]


def test_standard_error_is_shown_too(tmp_path, capsys):
    run([stage("a", "raise SystemExit('why it failed')")], folder=tmp_path, jobs=1)
    assert "why it failed" in capsys.readouterr().out


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_a_stage_is_not_run_without_the_one_that_it_needs(tmp_path, capsys, jobs):
    some = [
        stage("broken", "raise SystemExit(1)"),
        stage("a", f"open({str(tmp_path / 'a')!r}, 'w')", after="broken"),
        stage("good", ""),
        stage("b", f"open({str(tmp_path / 'b')!r}, 'w')", after="good"),
    ]
    assert run(some, folder=tmp_path / "out", jobs=jobs) == 1
    assert re.search(r"^  not run +a$", capsys.readouterr().out, re.MULTILINE)
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "b").exists()


def test_notes_stand_below_the_results(tmp_path, capsys):
    run([stage("a", "")], folder=tmp_path, jobs=1, notes=["not installed: 3.99"])
    assert re.search(r" a\n  not installed: 3\.99\n=", capsys.readouterr().out)


# --- signals ---------------------------------------------------------------------------------

CHECK = """
import signal, sys
from pathlib import Path
from tools.stages import Stage, end_with_stages, run
for name in sys.argv[3:]:
    signal.signal(getattr(signal, name), signal.SIG_IGN)
end_with_stages()
one = Stage(name="one", command=[sys.executable, "-c", sys.argv[1], sys.argv[2]])
sys.exit(run([one], folder=Path(sys.argv[2]), jobs=1))
"""


def test_no_stage_ignores_a_signal_because_the_check_was_started_in_the_background(tmp_path):
    code = (
        "import signal\n"
        "for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):\n"
        "    print('ignored:', signal.getsignal(each) == signal.SIG_IGN)"
    )
    done = subprocess.run(
        [sys.executable, "-c", CHECK, code, tmp_path, "SIGINT", "SIGHUP"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("ignored: False") == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_check_and_its_stages(tmp_path, monkeypatch, number):
    # Held open by the stage alone, so that reading it to its end tells when the stage has ended.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    code = (
        "import signal, sys, time\n"
        f"out = open({str(pipe)!r}, 'w')\n"
        "out.write('up'); out.flush()\n"
        "signal.pause()"
    )
    started = CHECK.replace("end_with_stages()\n", "end_with_stages()\nstages.TOLD = 0.0\n")
    started = f"from tools import stages\n{started}"
    process = subprocess.Popen(
        [sys.executable, "-c", started, code, tmp_path], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    with pipe.open("rb") as stage_is_up:
        assert stage_is_up.read(2) == b"up"
        process.send_signal(number)
        assert stage_is_up.read() == b""
    assert process.wait(30) == 128 + number


# --- counting --------------------------------------------------------------------------------


def report(folder: Path, name: str, counts: str, cases: str = "") -> Path:
    path = folder / f"{name}.xml"
    path.write_text(f"<testsuites><testsuite {counts}>{cases}</testsuite></testsuites>", "utf-8")
    return path


GOOD = 'tests="7" failures="0" errors="0" skipped="2"'
XFAIL = '<testcase><skipped type="pytest.xfail"/></testcase>'


@pytest.mark.parametrize(
    ("counts", "cases", "expected", "good"),
    [
        ([GOOD], "", "5 passed, 2 skipped", True),
        ([GOOD, GOOD], "", "10 passed, 4 skipped", True),
        ([GOOD, GOOD], XFAIL, "10 passed, 2 skipped, 2 xfailed", True),
        ([GOOD, 'tests="3" failures="2" errors="0" skipped="0"'], "",
         "2 failed, 6 passed, 2 skipped", False),
        ([GOOD, 'tests="3" failures="0" errors="1" skipped="0"'], "",
         "7 passed, 2 skipped, 1 error", False),
        (['tests="3" failures="0" errors="2" skipped="0"'], "", "1 passed, 2 errors", False),
        ([GOOD, None], "", "5 passed, 2 skipped, 1 error", False),
        (['tests="0" failures="0" errors="0" skipped="0"'], "", "no tests ran", False),
        ([], "", "no tests ran", True),
    ],
)  # fmt: skip
def test_the_last_line_is_the_sum_in_pytests_own_form(tmp_path, counts, cases, expected, good):
    reports = [
        tmp_path / "missing.xml" if each is None else report(tmp_path, str(n), each, cases)
        for n, each in enumerate(counts)
    ]
    line, is_good = closing_line(reports, 12.3456)
    assert line == f" {expected} in 12.35s ".center(80, "=")
    assert is_good is good


TESTS = """
import pytest
def test_a(): pass
def test_b(): pass
def test_c(): pytest.skip("no")
@pytest.mark.xfail(strict=True)
def test_d(): assert False
"""


def test_a_run_of_pytest_is_counted_as_pytest_counts_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider")
    (tmp_path / "test_some.py").write_text(TESTS, encoding="utf-8")
    whole = [sys.executable, "-m", "pytest", "-c", os.devnull, f"{tmp_path}/test_some.py"]
    one_test = [*whole[:-1], f"{whole[-1]}::test_a"]
    two = [
        Stage(name="a run: one/two", command=whole, counted=True),
        Stage(name="another", command=one_test, counted=True),
    ]
    assert run(two, folder=tmp_path / "out", jobs=1) == 0
    lines = capsys.readouterr().out.splitlines()
    counts = [re.sub(r" in .*", "", line.strip("= ")) for line in lines if " in " in line]
    assert "2 passed, 1 skipped, 1 xfailed" in counts
    assert counts[-1] == "3 passed, 1 skipped, 1 xfailed"
    assert not (tmp_path / ".pytest_cache").exists(), "the options that were given count as well"


def test_a_report_of_an_earlier_check_is_not_counted(tmp_path, capsys):
    one = Stage(name="one", command=[sys.executable, "-c", ""], counted=True)
    report(tmp_path, "one", GOOD)
    assert run([one], folder=tmp_path, jobs=1) == 1
    assert " 1 error in " in capsys.readouterr().out.splitlines()[-1]


# --- what is run -----------------------------------------------------------------------------


def test_each_stage_has_files_of_its_own_and_stands_behind_the_one_that_it_needs(tmp_path):
    found = [Python(version="3.12", full="3.12.1", path=tmp_path)]
    all_of_them = [*check.STAGES, *check.THOROUGH, *pythons.stages(found), *check.MEASURED]
    runner = stages.Stages(all_of_them, tmp_path, 1)
    assert len({runner.log_of(each) for each in all_of_them}) == len(all_of_them)
    for at, each in enumerate(all_of_them):
        assert each.after in (None, *(before.name for before in all_of_them[:at]))


def test_everything_that_pytest_runs_by_itself_is_run_in_some_stage():
    by_itself = re.search(
        r"^testpaths = \[(.*)\]$", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE
    )
    assert by_itself is not None
    for folder in re.findall(r'"(.*?)"', by_itself[1]):
        whole = [check.BIN / "pytest", folder]
        assert any(list(each.command) == whole and each.counted for each in check.STAGES), folder


def test_ci_runs_all_stages():
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    parts = re.search(r'^exec make test ARGS="(.*)"$', ci, re.MULTILINE)
    assert parts is not None
    assert parts[1].split() == ["thorough", "pythons"]


# --- other Pythons ---------------------------------------------------------------------------


def fake(path: Path, prints: str = "", status: int = 0) -> Path:
    """A program that prints this and exits with that, as a Python or pyenv's shim for one does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {prints}\nexit {status}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin")}


def test_the_versions_are_those_that_the_project_claims():
    assert pythons.claimed()[0] == "3.11"


def test_a_python_on_the_path_is_found_first(tmp_path, environ):
    path = fake(tmp_path / "bin/python3.12", "3.12.4")
    fake(tmp_path / "pyenv/versions/3.12.9/bin/python3.12", "3.12.9")
    environ["PYENV_ROOT"] = str(tmp_path / "pyenv")
    assert pythons.find("3.12", environ) == Python(version="3.12", full="3.12.4", path=path)


@pytest.mark.parametrize("by", ["variable", "command"])
def test_the_newest_of_pyenvs_is_found_where_the_shim_says_no(tmp_path, environ, by):
    root = tmp_path / "pyenv"
    fake(tmp_path / "bin/python3.12", "pyenv: python3.12: command not found", 127)
    for full in ("3.12.9", "3.12.10", "3.12.2"):
        fake(root / f"versions/{full}/bin/python3.12", full)
    fake(root / "versions/3.12-dev/bin/python3.12", "3.12.0a1")
    if by == "variable":
        environ["PYENV_ROOT"] = str(root)
    else:
        fake(tmp_path / "bin/pyenv", str(root))
    newest = root / "versions/3.12.10/bin/python3.12"
    assert pythons.find("3.12", environ) == Python(version="3.12", full="3.12.10", path=newest)


@pytest.mark.parametrize(("prints", "status"), [("", 1), ("3.13.1", 0), ("3.1", 0)])
def test_a_python_that_cannot_make_environments_or_is_another_one_is_none(
    tmp_path, environ, prints, status
):
    assert pythons.find("3.12", environ) is None
    fake(tmp_path / "bin/python3.12", prints, status)
    assert pythons.find("3.12", environ) is None


def test_a_missing_python_is_a_line_and_no_failure(tmp_path, environ, capsys):
    fake(tmp_path / "bin/python3.11", "3.11.9")
    fake(tmp_path / "bin/python3.13", "3.13.0")
    found, missing = pythons.others(["3.11", "3.12", "3.13"], "3.11", environ)
    assert [each.full for each in found] == ["3.13.0"]
    assert missing == ["not installed          Python 3.12"]
    assert run(pythons.stages([]), folder=tmp_path, jobs=1, notes=missing) == 0


def test_nothing_is_run_on_a_python_without_its_environment(tmp_path):
    first, *rest = pythons.stages([Python(version="3.12", full="3.12.1", path=tmp_path / "py")])
    assert first.command[-3:-1] == [tmp_path / "py", ROOT / ".venv-3.12"]
    assert rest
    assert all(each.after == first.name and each.counted for each in rest)
    assert all(ROOT / ".venv-3.12" in Path(each.command[0]).parents for each in rest)


def test_the_first_of_the_others_has_the_lowest_versions_and_the_rest_the_highest(tmp_path):
    found = [Python(version=f"3.{n}", full=f"3.{n}.1", path=tmp_path) for n in (11, 12, 13)]
    made = [each for each in pythons.stages(found) if each.name.endswith("environment")]
    assert [each.command[-1] for each in made] == ["lowest-direct", "highest", "highest"]
    assert [each.name for each in made if "lowest versions" in each.name] == [made[0].name]


VENV = """#!/bin/sh
# Notes what it is asked for; "-m venv --clear FOLDER" makes a copy of it there.
echo "$*" >> {log}
if [ "$2" = venv ]; then mkdir -p "$4/bin" && cp "$0" "$4/bin/python"; fi
[ ! -e {broken} ]
"""


def test_an_environment_is_made_once_and_again_when_what_it_was_made_from_has_changed(tmp_path):
    log = tmp_path / "log"
    broken, folder = tmp_path / "broken", tmp_path / "env"
    python = tmp_path / "python3.12"
    python.write_text(VENV.format(log=log, broken=broken), encoding="utf-8")
    python.chmod(0o755)

    def made() -> int:
        before = log.stat().st_size if log.exists() else 0
        pythons.make_environment(python, folder)
        return int(log.read_bytes()[before:].count(b"\n"))

    assert made() == 3
    assert f"-m venv --clear {folder}" in log.read_text("utf-8")
    assert "--editable .[all,conformance] --group test" in log.read_text("utf-8")
    assert made() == 0
    (folder / ".ready").write_text("another pyproject.toml", encoding="utf-8")
    assert made() == 3

    (folder / ".ready").unlink()
    broken.touch()
    with pytest.raises(subprocess.CalledProcessError):
        made()
    broken.unlink()
    assert made() == 3, "what broke off is begun anew"


def test_the_lowest_versions_are_installed_by_uv(tmp_path, monkeypatch):
    log, python, folder = tmp_path / "log", tmp_path / "python3.12", tmp_path / "env"
    python.write_text(VENV.format(log=log, broken=tmp_path / "none"), encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    for _ in range(2):
        pythons.make_environment(python, folder, pythons.LOWEST)
    asked = log.read_text("utf-8").splitlines()
    assert asked[-1] == (
        f"-m uv pip install --resolution lowest-direct --python {folder}/bin/python --quiet "
        "--editable .[all,conformance] --group test"
    )
    assert len(asked) == 3
    pythons.make_environment(python, folder)
    assert "-m pip " in log.read_text("utf-8").splitlines()[-1], "another resolution is made anew"
