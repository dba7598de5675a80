"""OpenCode's logs in the format of each version: the sessions of each run, and its permission requests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tray.sources.local.logs import MAX_ASKS, Logs

A, B = "ses_e00803722ffeA1bpbM63CLAQeg", "ses_e0069d3ecffezELidlTKGaEqaW"
SHARED = f"""\
timestamp=2026-11-21T19:05:24.564Z level=INFO run=996ff285 message="creating instance" directory=/home/me/one
timestamp=2026-11-21T19:05:27.005Z level=INFO run=996ff285 message=created id={A} slug=eager-comet version=1.18.33
timestamp=2026-11-21T19:05:28.792Z level=INFO run=996ff285 message=evaluated permission=bash pattern="echo hi"
timestamp=2026-11-21T19:05:28.793Z level=INFO run=996ff285 message=asking id=per_1ff7 permission=bash patterns="[]"
timestamp=2026-11-21T19:06:24.564Z level=INFO run=11111111 message="creating instance" directory=/home/me/two
timestamp=2026-11-21T19:06:28.947Z level=INFO run=11111111 message=loop session.id={B} step=1
timestamp=2026-11-21T19:06:29.040Z level=INFO run=11111111 message=asking id=que_1ff7 questions=1
"""
OWN_1_1 = f"""\
INFO  2026-11-21T19:05:23 +324ms service=default version=1.1.65 args=["serve","--port","0"] opencode
INFO  2026-11-21T19:05:25 +0ms service=session.prompt step=0 sessionID={A} loop
INFO  2026-11-21T19:05:25 +0ms service=permission permission=bash pattern=echo hi ruleset=[{{"action":"ask"}}] evaluate
INFO  2026-11-21T19:05:25 +0ms service=permission permission=bash pattern=echo hi action={{"action":"ask"}} evaluated
INFO  2026-11-21T19:05:25 +0ms service=bus type=permission.asked publishing
"""
OWN_1_14 = f"""\
INFO  2026-11-21T19:07:57 +0ms service=session.prompt session.id={A} step=0 loop
INFO  2026-11-21T19:07:57 +2ms service=permission id=per_1ff8 permission=edit patterns=["a.txt"] asking
INFO  2026-11-21T19:07:57 +0ms service=bus type=permission.asked publishing
INFO  2026-11-21T19:07:58 +7ms service=bus type=permission.replied publishing
"""


def at(clock: str) -> float:
    form = "%Y-%m-%dT%H:%M:%S.%f" if "." in clock else "%Y-%m-%dT%H:%M:%S"
    return datetime.strptime(f"2026-11-21T{clock}", form).replace(tzinfo=UTC).timestamp()


def logs(folder: Path, name: str, text: str) -> Logs:
    (folder / name).write_text(text, encoding="utf-8")
    read = Logs(folder)
    read.read(0)
    return read


def test_in_a_shared_log_each_run_has_its_own_sessions_and_permissions(tmp_path: Path) -> None:
    read = logs(tmp_path, "opencode.log", SHARED)
    runs = read.runs_of({7: at("19:05:24"), 8: at("19:06:24")})
    one, two = runs[7], runs[8]
    assert (one.sessions, two.sessions) == ({A}, {B})
    assert [(ask.at, ask.kind) for ask in one.asks] == [(round(at("19:05:28.793000") * 1000), "bash")]
    assert two.asks == []  # a question is in the database
    assert not one.logs_answers
    read.close()


def test_up_to_1_14_each_run_has_a_log_file_and_answers_close_permissions(tmp_path: Path) -> None:
    read = logs(tmp_path, "2026-11-21T190523.log", OWN_1_1)
    run = read.runs_of({7: at("19:05:22.6")}).get(7)
    assert run is not None
    assert run.logs_answers
    assert (run.sessions, [ask.kind for ask in run.asks]) == ({A}, ["bash"])
    with (tmp_path / "2026-11-21T190523.log").open("a") as log:
        log.write("INFO  2026-11-21T19:05:26 +2ms service=bus type=permission.replied publ")
    read.read(0)
    assert len(run.asks) == 1  # an incomplete line is not read
    with (tmp_path / "2026-11-21T190523.log").open("a") as log:
        log.write("ishing\n")
    read.read(0)
    assert run.asks == []
    read.close()


def test_logs_of_1_14_name_the_permission(tmp_path: Path) -> None:
    text = OWN_1_14.rpartition("INFO")[0]
    read = logs(tmp_path, "2026-11-21T190755.log", text)
    run = read.runs_of({7: at("19:07:54.8")}).get(7)
    assert run is not None
    assert [ask.kind for ask in run.asks] == ["edit"]
    read.close()
    again = logs(tmp_path, "2026-11-21T190755.log", OWN_1_14)
    found = again.runs_of({7: at("19:07:54.8")}).get(7)
    assert found is not None
    assert found.asks == []
    again.close()


def test_a_truncated_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    read = logs(tmp_path, "opencode.log", SHARED * 3)
    (tmp_path / "opencode.log").write_text(SHARED.replace("996ff285", "99999999"), encoding="utf-8")
    read.read(0)
    assert "99999999" in read.runs
    read.close()


def test_a_replaced_log_is_read_from_its_start(tmp_path: Path) -> None:
    read = logs(tmp_path, "opencode.log", SHARED)
    (tmp_path / "new").write_text(SHARED.replace("996ff285", "99999999") * 2, encoding="utf-8")
    (tmp_path / "new").replace(tmp_path / "opencode.log")
    read.read(0)
    assert "99999999" in read.runs
    assert read.runs["99999999"].sessions == {A}
    read.close()


def test_the_requests_of_a_run_without_logged_answers_are_limited(tmp_path: Path) -> None:
    read = logs(tmp_path, "2026-11-21T190523.log", OWN_1_1.splitlines(keepends=True)[-1] * (MAX_ASKS + 50))
    assert [len(run.asks) for run in read.runs.values()] == [MAX_ASKS]
    read.close()


def test_a_file_that_is_not_a_log_causes_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.log").mkdir()
    read = logs(
        tmp_path, "opencode.log", "\x00\xff" * 1000 + "\n" + "timestamp=x level=y run=z message=asking id=per_1\n"
    )
    assert read.runs_of({7: 0.0}) == {}
    read.close()


def test_processes_started_in_succession_have_one_run_each(tmp_path: Path) -> None:
    read = logs(tmp_path, "opencode.log", SHARED.replace("19:06:2", "19:05:2"))
    runs = read.runs_of({8: at("19:05:24"), 7: at("19:05:22.5")})
    assert runs[7].sessions == {A}
    assert len({id(run) for run in runs.values()}) == 2
    read.close()


def test_deleted_logs_are_forgotten(tmp_path: Path) -> None:
    for number in range(10, 40):
        (tmp_path / f"2026-11-21T1905{number}.log").write_text(OWN_1_1, encoding="utf-8")
    (tmp_path / "2026-13-41T999999.log").write_text(OWN_1_1, encoding="utf-8")
    read = Logs(tmp_path)
    read.read(0)
    assert len(read.runs) == 30
    for file in list(tmp_path.glob("2026-11*"))[:-1]:
        file.unlink()
    read.read(0)
    assert len(read.runs) == 1
    read.close()


def test_two_processes_started_together_have_one_run_each(tmp_path: Path) -> None:
    read = logs(tmp_path, "opencode.log", SHARED.replace("19:06:24.564", "19:05:24.564"))
    runs = read.runs_of({7: at("19:05:24"), 8: at("19:05:24")})
    assert [runs[7].sessions, runs[8].sessions] == [{A}, {B}]
    read.close()
