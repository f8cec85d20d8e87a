"""Steps and failures, read out of what builders print."""

import pytest

from mlship.buildlog import BuildLog

BUILDKIT = """\
#0 building with "default" instance using docker driver

#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 1.73kB done
#1 DONE 0.1s

#2 [dependencies 1/3] FROM docker.io/library/python:3.12-slim
#2 CACHED

#3 [dependencies 3/3] RUN python -m pip install --require-hashes
#3 0.512 Collecting numpy==2.0
#3 ...

#4 [stage-1 2/4] WORKDIR /srv
#4 DONE 0.0s

#3 [dependencies 3/3] RUN python -m pip install --require-hashes
#3 12.01 Successfully installed numpy-2.0
#3 DONE 12.3s

#5 exporting to image
#5 writing image sha256:0123 done
#5 DONE 0.2s
"""

FAILED = """\
#3 [stage-1 2/3] RUN echo before
#3 DONE 0.2s

#4 [stage-1 3/3] RUN pip install nothing
#4 0.900 ERROR: No matching distribution found for nothing
#4 ERROR: process "/bin/sh -c pip install nothing" did not complete successfully: exit code: 1
------
 > [stage-1 3/3] RUN pip install nothing:
0.900 ERROR: No matching distribution found for nothing
------
Dockerfile:3
--------------------
   3 | >>> RUN pip install nothing
--------------------
ERROR: failed to solve: process "/bin/sh -c pip install nothing" did not complete: exit code: 1
"""

PODMAN = """\
[1/2] STEP 1/2: FROM docker.io/library/python:3.12-slim AS dependencies
[1/2] STEP 2/2: RUN python -m venv /opt/venv
--> Using cache 0123abcd
--> 0123abcd
[2/2] STEP 1/2: FROM docker.io/library/python:3.12-slim
[2/2] STEP 2/2: RUN pip install nothing
ERROR: No matching distribution found for nothing
Error: building at STEP "RUN pip install nothing": while running runtime: exit status 1
"""


def fed(text):
    log = BuildLog()
    for line in text.splitlines():
        log.feed(line)
    return log


def summary(log):
    return [(step.name, step.state, step.seconds) for step in log.steps.values()]


def test_buildkit():
    log = fed(BUILDKIT)
    assert summary(log) == [
        ("[internal] load build definition from Dockerfile", "done", "0.1s"),
        ("[dependencies 1/3] FROM docker.io/library/python:3.12-slim", "cached", ""),
        ("[dependencies 3/3] RUN python -m pip install --require-hashes", "done", "12.3s"),
        ("[stage-1 2/4] WORKDIR /srv", "done", "0.0s"),
    ]
    assert list(log.steps["3"].output) == [
        "Collecting numpy==2.0",
        "...",
        "Successfully installed numpy-2.0",
    ]


def test_running_step():
    assert summary(fed("#3 [2/3] RUN make\n#3 0.1 compiling")) == [
        ("[2/3] RUN make", "running", "")
    ]


def test_name_on_several_lines_of_the_dockerfile():
    log = fed("#3 [2/3] RUN make     --all   install")
    assert summary(log) == [("[2/3] RUN make --all install", "running", "")]


def test_buildkit_failure():
    log = fed(FAILED)
    assert [step.state for step in log.steps.values()] == ["done", "failed"]
    assert log.failure().splitlines() == [
        "[stage-1 3/3] RUN pip install nothing",
        "ERROR: No matching distribution found for nothing",
        'ERROR: failed to solve: process "/bin/sh -c pip install nothing" did not complete: '
        "exit code: 1",
    ]


def test_a_long_instruction_is_told_in_brief():
    command = "pip install " + " ".join(f"library-{number}==1.0" for number in range(50))
    said = fed(FAILED.replace("pip install nothing", command)).failure().splitlines()
    assert max(map(len, said)) < 160
    assert said[0].startswith("[stage-1 3/3] RUN pip install library-0==1.0")
    assert said[-1].startswith("ERROR: failed") and said[-1].endswith("exit code: 1")


def test_failure_is_not_the_step_that_was_canceled_for_it():
    canceled = "#2 [dependencies 2/2] RUN sleep 60\n#2 0.1 waiting\n#2 CANCELED\n"
    failure = fed(canceled + FAILED).failure()
    assert failure.splitlines()[0] == "[stage-1 3/3] RUN pip install nothing"


def test_failure_keeps_the_last_lines_of_a_long_step():
    output = "".join(f"#4 1.0 line {number}\n" for number in range(50))
    log = fed(f"#4 [1/1] RUN make\n{output}#4 ERROR: exit code: 2\nERROR: failed to solve")
    assert log.failure().splitlines() == [
        "[1/1] RUN make",
        *(f"line {number}" for number in range(35, 50)),
        "ERROR: failed to solve",
    ]


def test_failure_to_push_is_no_step():
    text = "#3 [1/1] FROM x\n#3 DONE 0.1s\n#4 pushing\n#4 ERROR: denied\nERROR: failed: denied"
    assert fed(text).failure() == text


@pytest.mark.parametrize(("text", "failure"), [("", ""), ("Cannot connect", "Cannot connect")])
def test_failure_before_any_step(text, failure):
    assert fed(text).failure() == failure


def test_failure_before_any_step_is_cut():
    lines = [f"line {number}" for number in range(30)]
    assert fed("\n".join(lines)).failure().splitlines() == lines[15:]


def test_podman():
    assert summary(fed(PODMAN)) == [
        ("[1/2] FROM docker.io/library/python:3.12-slim AS dependencies", "done", ""),
        ("[2/2] RUN python -m venv /opt/venv", "cached", ""),
        ("[1/2] FROM docker.io/library/python:3.12-slim", "done", ""),
        ("[2/2] RUN pip install nothing", "running", ""),
    ]


def test_podman_of_one_stage():
    assert summary(fed("STEP 1/2: FROM scratch\nSTEP 2/2: COPY a b")) == [
        ("[1/2] FROM scratch", "done", ""),
        ("[2/2] COPY a b", "running", ""),
    ]


def test_podman_failure():
    assert fed(PODMAN).failure().splitlines() == [
        "[2/2] RUN pip install nothing",
        "ERROR: No matching distribution found for nothing",
        'Error: building at STEP "RUN pip install nothing": while running runtime: exit status 1',
    ]
