"""mlship render: what is written, removed and left alone, and that a kill does no harm."""

import json
import os
import shutil
import time

import pytest

from mlship import ownership, plan, rendering, scaffold
from mlship.errors import ProjectError, UsageError
from mlship.project import find
from tests.support.projects import mlship

DEPLOYMENT = "k8s/base/deployment.yaml"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    target = tmp_path_factory.mktemp("original") / "iris"
    made = plan.make(target, plan.Wishes())
    scaffold.scaffold(made.card, made.context(), target)
    return target


@pytest.fixture
def root(original, tmp_path):
    return shutil.copytree(original, tmp_path / "iris")


def configure(root, *pairs, more=""):
    path = root / "mlship.yaml"
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text + more)


def render(root):
    return rendering.render(find(root))


def snapshot(root):
    return {name: (root / name).read_bytes() for name in ownership.files_in(root)}


def edit(root, name=DEPLOYMENT, text="# mine\n"):
    (root / name).write_text((root / name).read_text() + text)


def test_a_new_project_is_as_it_would_be_rendered(root):
    before = snapshot(root)
    changes = render(root)
    assert (changes.written, changes.removed, changes.kept, changes.unused) == ([], [], [], [])
    assert DEPLOYMENT in changes.unchanged
    assert snapshot(root) == before


def test_only_what_changes_is_written(root):
    configure(root, ("port: 8000", "port: 9000"), ("max: 6", "max: 9"))
    before = snapshot(root)
    changes = render(root)
    # The network policy names the port.
    want = [DEPLOYMENT, "k8s/overlays/prod/hpa.yaml"]
    assert sorted(changes.written) == sorted(want)
    assert 'value: "9000"' in (root / DEPLOYMENT).read_text()
    after = snapshot(root)
    assert {n for n in after if after[n] != before.get(n)} == {*want, ownership.RECORD}
    assert render(root).written == []


def test_the_model_is_not_read(root):
    shutil.rmtree(root / "model")
    configure(root, ("replicas: 2", "replicas: 3"))
    assert render(root).written == ["k8s/overlays/prod/hpa.yaml"]


def test_what_is_no_longer_asked_for_goes(root):
    configure(root, more="ingress: {host: a.example.com}\nkeda: {triggers: [{type: cron}]}\n")
    changes = render(root)
    assert {"k8s/base/ingress.yaml", "k8s/overlays/prod/scaledobject.yaml"} <= set(changes.written)
    assert changes.removed == ["k8s/overlays/prod/hpa.yaml"]
    configure(root, ("ingress: {host: a.example.com}\nkeda: {triggers: [{type: cron}]}\n", ""))
    changes = render(root)
    assert changes.removed == ["k8s/base/ingress.yaml", "k8s/overlays/prod/scaledobject.yaml"]
    assert "k8s/base/ingress.yaml" not in ownership.read_record(root)


def test_an_edit_stays_and_is_listed_only_when_mlships_part_changed(root):
    edit(root)
    text = (root / DEPLOYMENT).read_text()
    assert render(root).kept == []
    configure(root, ("port: 8000", "port: 9000"))
    for _ in range(2):  # until it is taken care of
        changes = render(root)
        assert changes.kept == [DEPLOYMENT]
        assert (root / DEPLOYMENT).read_text() == text
    (root / DEPLOYMENT).unlink()
    assert render(root).written == [DEPLOYMENT]
    assert render(root).kept == []


def test_who_writes_what_mlship_would_is_not_listed(root):
    configure(root, ("port: 8000", "port: 9000"))
    edited = (root / DEPLOYMENT).read_text().replace("8000", "9000")
    (root / DEPLOYMENT).write_text(edited)
    changes = render(root)
    assert DEPLOYMENT in changes.unchanged and not changes.kept
    configure(root, ("port: 9000", "port: 9001"))
    assert DEPLOYMENT in render(root).written  # it is mlship's again


def test_an_edited_file_that_is_no_longer_used_stays_and_is_told(root):
    edit(root, "k8s/overlays/prod/hpa.yaml")
    configure(root, more="keda: {triggers: [{type: cron}]}\n")
    assert render(root).unused == ["k8s/overlays/prod/hpa.yaml"]
    assert (root / "k8s/overlays/prod/hpa.yaml").exists()
    assert render(root).unused == []


def test_a_file_of_the_users_is_not_taken(root):
    (root / "k8s/base/ingress.yaml").write_text("mine")
    configure(root, more="ingress: {host: a.example.com}\n")
    changes = render(root)
    assert changes.kept == ["k8s/base/ingress.yaml"]
    assert (root / "k8s/base/ingress.yaml").read_text() == "mine"


def test_a_link_is_not_followed(root, tmp_path):
    outside = tmp_path / "outside.yaml"
    shutil.copy(root / DEPLOYMENT, outside)
    (root / DEPLOYMENT).unlink()
    (root / DEPLOYMENT).symlink_to(outside)
    configure(root, ("port: 8000", "port: 9000"))
    assert render(root).kept == [DEPLOYMENT]
    assert "9000" not in outside.read_text()


def test_patches_of_the_users_survive(root):
    patch = root / "k8s/patches/own.yaml"
    patch.parent.mkdir()
    patch.write_text("- {op: remove, path: /spec/minReadySeconds}\n")
    configure(root, more="patches: [own.yaml]\n")
    assert "k8s/patches/kustomization.yaml" in render(root).written
    assert "kind: Deployment" in (root / "k8s/patches/kustomization.yaml").read_text()
    made = plan.make(root, plan.Wishes())
    scaffold.scaffold(made.card, made.context(), root, force=True)
    assert "patches:\n- own.yaml" in (root / "mlship.yaml").read_text()
    configure(root, ("patches:\n- own.yaml", ""))
    assert render(root).removed == ["k8s/patches/kustomization.yaml"]
    assert patch.read_text() == "- {op: remove, path: /spec/minReadySeconds}\n"


def test_a_patch_that_is_missing_or_broken_is_told(root):
    configure(root, more="patches: [own.yaml]\n")
    before = snapshot(root)
    with pytest.raises(ProjectError, match=r"own\.yaml is missing"):
        render(root)
    (root / "k8s/patches").mkdir()
    (root / "k8s/patches/own.yaml").write_text("a: [1\n")
    with pytest.raises(ProjectError, match=r"own\.yaml is not valid YAML"):
        render(root)
    (root / "k8s/patches/own.yaml").unlink()
    assert snapshot(root) == before


def test_a_folder_is_not_fetched(root):
    (root / "model/iris.onnx").unlink()
    (root / "model/iris.onnx").mkdir()
    configure(root, ("\nruntime", "\n  source: s3://bucket/iris\nruntime"))
    with pytest.raises(UsageError):
        render(root)


def test_without_a_record_nothing_is_written_over(root):
    (root / ownership.RECORD).unlink()
    configure(root, ("port: 8000", "port: 9000"), ("max: 6", "max: 9"))
    changes = render(root)
    assert changes.written == []
    assert sorted(changes.kept) == [DEPLOYMENT, "k8s/overlays/prod/hpa.yaml"]


@pytest.mark.parametrize("after", range(4))  # two files, and the record after each
def test_stopped_halfway_it_goes_on_where_it_was(root, monkeypatch, after):
    """No file that mlship wrote may seem the user's afterwards."""
    configure(root, ("port: 8000", "port: 9000"), ("max: 6", "max: 9"))
    real, calls = type(root).replace, []

    def replace(self, other):
        calls.append(self)
        if len(calls) == after + 1:
            raise KeyboardInterrupt
        return real(self, other)

    monkeypatch.setattr(type(root), "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        render(root)
    monkeypatch.undo()
    assert not [name for name in ownership.files_in(root) if name.endswith(".tmp")]
    assert render(root).kept == []
    configure(root, ("port: 9000", "port: 9001"))
    assert DEPLOYMENT in render(root).written
    assert rendering.check(find(root)).kept == []


def test_command(root):
    done = mlship("render", cwd=root / "app")
    assert done.stdout == "k8s/ is what mlship.yaml says\n"
    assert mlship("render", "--check", cwd=root).stdout == "k8s/ is what mlship.yaml says\n"
    configure(root, ("replicas: 2", "replicas: 3"))
    before = snapshot(root)
    done = mlship("render", "--check", "--project", root, cwd=root.parent, check=False)
    assert done.returncode == 3
    assert "k8s/overlays/prod/hpa.yaml would be written" in done.stderr
    assert snapshot(root) == before
    edit(root)
    done = mlship("render", cwd=root)
    assert done.stdout == "wrote   k8s/overlays/prod/hpa.yaml\n" and done.stderr == ""
    configure(root, ("port: 8000", "port: 9000"))
    done = mlship("render", cwd=root)
    assert DEPLOYMENT in done.stderr and "patches" in done.stderr


def test_an_image_that_does_not_go_with_the_source_is_told(root):
    assert "Dockerfile" not in mlship("render", cwd=root).stderr
    configure(root, ("\nruntime", "\n  source: pvc://claim/iris.onnx\nruntime"))
    assert "still takes the model in" in mlship("render", cwd=root).stderr
    mlship("init", "iris", "--force", "--no-lock", cwd=root.parent)
    assert "Dockerfile" not in mlship("render", cwd=root).stderr
    configure(root, ('  source: "pvc://claim/iris.onnx"\n', ""))
    assert "leaves the model out" in mlship("render", cwd=root).stderr


def test_it_takes_less_than_a_second(root):
    spent = []
    for _ in range(3):
        before = os.times()
        started = time.monotonic()
        mlship("render", cwd=root)
        spent.append((time.monotonic() - started, sum(os.times()[2:4]) - sum(before[2:4])))
    assert min(cpu for _, cpu in spent) < 1, spent


def old_layout(root):
    """Turn a project into one of the time before k8s/ had a base and overlays."""
    record = ownership.read_record(root)
    for name in [name for name in record if name.startswith("k8s/")]:
        flat = root / "k8s" / name.rsplit("/", 1)[1]
        (root / name).replace(flat)
        del record[name]
        record[flat.relative_to(root).as_posix()] = ownership.sha256_of(flat)
    for folder in ("base", "overlays"):
        shutil.rmtree(root / "k8s" / folder)
    (root / ownership.RECORD).write_text(json.dumps(record))


@pytest.mark.parametrize("command", [["render"], ["init", "iris", "--force", "--no-lock"]])
def test_the_former_layout_goes_but_for_edits(root, original, command):
    old_layout(root)
    edit(root, "k8s/deployment.yaml")
    done = mlship(*command, cwd=root if command[0] == "render" else root.parent)
    assert "no longer used: k8s/deployment.yaml" in done.stderr
    left = {name for name in ownership.files_in(root) if name.startswith("k8s/")}
    want = {name for name in ownership.files_in(original) if name.startswith("k8s/")}
    assert left == want | {"k8s/deployment.yaml"}


def test_a_large_model_in_the_image_is_seen(root):
    """It is copied with an option of COPY."""
    dockerfile = root / "Dockerfile"
    assert not rendering.image_disagrees(find(root))
    lines = dockerfile.read_text().replace("COPY model ", "COPY --chmod=755 model ")
    dockerfile.write_text(lines)
    assert not rendering.image_disagrees(find(root))
    dockerfile.write_text(lines.replace("COPY --chmod=755 model ", "# "))
    assert rendering.image_disagrees(find(root))
