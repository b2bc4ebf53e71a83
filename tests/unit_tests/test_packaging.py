"""What a user gets by pip: which files, which names, which versions."""

from __future__ import annotations

import configparser
import email
import importlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from datetime import date
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import hatchling.build
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import langchain_gemini_qdrant as package
from langchain_gemini_qdrant import errors

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
WORKFLOWS = ROOT / ".github" / "workflows"
REQUIREMENTS = [
    Requirement(line)
    for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in lines
    if not line.startswith(f"{PROJECT['name']}[")  # an extra in another one
]


def sources(folder):
    """Return the files under a folder, as the checkout names them, without what tools leave."""
    files = (each for each in (ROOT / folder).rglob("*") if each.is_file())
    paths = (each.relative_to(ROOT) for each in files)
    return {
        path.as_posix()
        for path in paths
        if not any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    }


# Dependencies


def test_lowest_versions_tested_are_the_lower_bounds():
    lines = (ROOT / "tests" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    bounds = {
        requirement.name: next(s.version for s in requirement.specifier if s.operator == ">=")
        for requirement in REQUIREMENTS
    }
    padded = {name: version + ".0" * (2 - version.count(".")) for name, version in bounds.items()}
    assert pinned == padded


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_every_dependency_is_bounded_on_both_sides(requirement):
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators == {">=", "<"}


# Files


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The sdist, made as any front end makes it, and unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        name = hatchling.build.build_sdist(str(folder))
    assert name == f"langchain_gemini_qdrant-{PROJECT['version']}.tar.gz"
    with tarfile.open(folder / name) as archive:
        archive.extractall(folder, filter="data")
    return folder / name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(sdist):
    """The contents of the wheel that is built from the sdist, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(sdist)
        name = hatchling.build.build_wheel(str(sdist.parent))
    assert name == f"langchain_gemini_qdrant-{PROJECT['version']}-py3-none-any.whl"
    with zipfile.ZipFile(sdist.parent / name) as archive:
        return {each: archive.read(each).decode() for each in archive.namelist()}


@pytest.mark.slow
def test_wheel_has_the_package_its_licence_its_entry_points_and_nothing_else(wheel):
    about = f"langchain_gemini_qdrant-{PROJECT['version']}.dist-info"
    written = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    modules = sources("langchain_gemini_qdrant")
    assert {Path(each).suffix for each in modules} == {".py", ".typed"}
    assert set(wheel) == modules | {f"{about}/{each}" for each in written}
    entry_points = configparser.ConfigParser()
    entry_points.read_string(wheel[f"{about}/entry_points.txt"])
    assert {name: dict(section) for name, section in entry_points.items() if section} == {
        "console_scripts": {"gemini-qdrant": "langchain_gemini_qdrant.__main__:main"},
        "pytest11": {"langchain_gemini_qdrant": "langchain_gemini_qdrant.pytest_plugin"},
    }
    assert wheel[f"{about}/licenses/LICENSE"] == (ROOT / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.slow
def test_sdist_has_sources_tests_and_pages_and_nothing_else(sdist):
    folders = ("benchmarks", "docs", "examples", "langchain_gemini_qdrant", "tests")
    alone = (
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "SECURITY.md",
        "hatch_build.py",
        "mkdocs.yml",
    )
    expected = {*alone, ".gitignore", "PKG-INFO", "pyproject.toml"}.union(*map(sources, folders))
    files = {each.relative_to(sdist).as_posix() for each in sdist.rglob("*") if each.is_file()}
    assert files == expected


@pytest.mark.slow
@pytest.mark.parametrize("repository", ["somebody/their-fork", None])
def test_links_lead_to_the_repository_that_a_workflow_builds(monkeypatch, tmp_path, repository):
    """To its files of this version; elsewhere there is no link to a repository."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    if repository:
        monkeypatch.setenv("GITHUB_REPOSITORY", repository)
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    with zipfile.ZipFile(tmp_path / hatchling.build.build_wheel(str(tmp_path))) as archive:
        [name] = [each for each in archive.namelist() if each.endswith("/METADATA")]
        about = email.message_from_bytes(archive.read(name))
    urls = dict(each.split(", ") for each in about.get_all("Project-URL", []))
    assert about["Description-Content-Type"] == "text/markdown"
    described = about.get_payload(decode=True).decode()
    links = re.findall(r"\]\(([^)]+)\)", described)
    own = [link for link in links if not link.startswith("https:")]
    if not repository:
        assert (urls, described) == ({}, (ROOT / "README.md").read_text(encoding="utf-8"))
        return
    address = f"https://github.com/{repository}"
    assert urls.keys() == {"Documentation", "Changelog", "Issues", "Source"}
    assert all(url.startswith(address) for url in urls.values())
    assert own == []
    files = [urlsplit(link) for link in (*links, *urls.values()) if f"{address}/blob" in link]
    prefix = f"/{repository}/blob/v{PROJECT['version']}/"
    assert files
    assert all((ROOT / each.path.removeprefix(prefix)).is_file() for each in files)
    assert f"({address}/blob/v{PROJECT['version']}/docs/assets/overview.svg?raw=true)" in described


@pytest.mark.slow
def test_tests_run_from_the_sdist(sdist):
    """With their configuration and fixtures, and the package that is installed."""
    code = "import sys; sys.path.remove(''); import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    options = ["-q", "-p", "no:cacheprovider", "tests/unit_tests/test_tasks.py"]
    result = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code, *options],
        cwd=sdist,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


# What is tested


def test_the_installed_package_is_tested_and_not_the_checkout():
    """Here and in the interpreters that tests start, unless the checkout is what is installed."""
    installed = metadata.distribution(PROJECT["name"])
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    folder = Path(installed.locate_file(""))
    if origin.get("dir_info", {}).get("editable"):
        folder = Path(url2pathname(urlsplit(origin["url"]).path))
    expected = str(folder / "langchain_gemini_qdrant" / "__init__.py")
    code = "import langchain_gemini_qdrant; print(langchain_gemini_qdrant.__file__)"
    child = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert [package.__file__, child.stdout.strip()] == [expected, expected]


@pytest.mark.skipif(not WORKFLOWS.exists(), reason="an sdist has no workflows")
def test_every_python_that_is_promised_is_tested():
    promised = [
        each.rpartition(" ")[2] for each in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", each)
    ]
    assert all(each in SpecifierSet(PROJECT["requires-python"]) for each in promised)
    jobs = yaml.safe_load((WORKFLOWS / "test.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["highest"]["strategy"]["matrix"]["python"] == promised
    (lowest,) = (each["with"] for each in jobs["lowest"]["steps"] if "python-version" in str(each))
    assert lowest["python-version"] == promised[0]


# Versions


def versions():
    """Return (version, date or "unreleased") of each heading of the changelog."""
    return re.findall(r"^## \[([^\]]+)\] - (.+)$", CHANGELOG, re.MULTILINE)


def test_newest_version_of_the_changelog_is_the_package_s():
    newest = versions()[0][0]
    assert newest == PROJECT["version"] == metadata.version(PROJECT["name"])


def test_versions_of_the_changelog_descend_and_all_but_the_newest_have_their_date():
    numbers = [Version(version) for version, _ in versions()]
    assert len(numbers) == len(re.findall(r"^## ", CHANGELOG, re.MULTILINE))
    assert numbers == sorted(set(numbers), reverse=True)
    released = [day for _, day in versions()][versions()[0][1] == "unreleased" :]
    days = [date.fromisoformat(day) for day in released]
    assert days == sorted(days, reverse=True)


def test_changelog_names_all_that_is_public_and_nothing_that_is_not():
    public = {*package.__all__, *errors.__all__}
    assert [name for name in public if not re.search(rf"\b{name}\b", CHANGELOG)] == []
    named = re.findall(r"`langchain_gemini_qdrant\.((?:\w+\.)?\w+)(?:\(\))?`", CHANGELOG)
    assert named
    for name in named:
        module, _, leaf = f"langchain_gemini_qdrant.{name}".rpartition(".")
        assert leaf in importlib.import_module(module).__all__, name


@pytest.mark.skipif(os.environ.get("GITHUB_REF_TYPE") != "tag", reason="no tag is being built")
def test_tag_is_the_version_and_the_changelog_has_its_date():
    assert os.environ["GITHUB_REF_NAME"] == f"v{PROJECT['version']}"
    date.fromisoformat(versions()[0][1])
