"""Folders of qdrant-client's local mode, which langchain-qdrant fills with `path=`: moved here."""

from __future__ import annotations

import json
import shlex
from contextlib import closing

import numpy as np
import pytest
from click.testing import CliRunner
from qdrant_client import AsyncQdrantClient, QdrantClient, models

from langchain_gemini_qdrant import (
    AsyncEdgeClient,
    EdgeClient,
    GeminiQdrantVectorStore,
    amigrate,
    create_vector_store,
    migrate,
)
from langchain_gemini_qdrant.cli import cli
from langchain_gemini_qdrant.errors import LocalModeError

SIZE, COUNT = 768, 24
LENGTH = 0.58
"""Of gemini-embedding-001's vectors at 768; langchain-google-genai stores them as they come."""

COSINE, DOT = models.Distance.COSINE, models.Distance.DOT
ROWS = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
VECTORS = {
    "": models.VectorParams(size=SIZE, distance=COSINE),
    "dot": models.VectorParams(size=8, distance=DOT),
    "euclid": models.VectorParams(size=8, distance=models.Distance.EUCLID),
    "half": models.VectorParams(size=8, distance=COSINE, datatype=models.Datatype.FLOAT16),
    "rows": models.VectorParams(size=8, distance=COSINE, multivector_config=ROWS),
    "dot rows": models.VectorParams(size=8, distance=DOT, multivector_config=ROWS),
}
ENGINES = [
    "edge",
    *(pytest.param(each, marks=pytest.mark.slow) for each in (":memory:", "server", "grpc")),
]


def fill(folder, name="handbook"):
    """Fill a collection as langchain-qdrant does, with points that lack vectors or have zeros."""
    random = np.random.default_rng(0)

    def long(*shape):
        numbers = random.normal(size=shape)
        return (LENGTH * numbers / np.linalg.norm(numbers, axis=-1, keepdims=True)).tolist()

    def point(i):
        vector = {
            "": long(SIZE),
            **{vector_name: long(8) for vector_name in ("dot", "euclid", "half")},
            **{vector_name: long(1 + i % 3, 8) for vector_name in ("rows", "dot rows")},
            "words": models.SparseVector(indices=[7, 3], values=[0.25, 0.1]),
        }
        if i == 3:
            vector |= {"": [0.0] * SIZE, "rows": [[0.0] * 8]}
        if i == 4:
            del vector["rows"]
        payload = {"page_content": f"passage {i}", "metadata": {"page": i, "seen": i / 3}}
        return models.PointStruct(id=f"{i + 1:032x}", vector=vector, payload=payload)

    with closing(QdrantClient(path=str(folder))) as client:
        client.create_collection(
            name, VECTORS, sparse_vectors_config={"words": models.SparseVectorParams()}
        )
        client.upsert(name, [point(i) for i in range(COUNT)])


@pytest.fixture
def folder(tmp_path):
    """A folder that another program has filled and closed."""
    fill(tmp_path / "local")
    return tmp_path / "local"


def files_of(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# Vectors that are not 1 long: local mode, reopened, gives them back as they came; others do not


@pytest.mark.filterwarnings("ignore:.*of the target does not have these settings")
@pytest.mark.parametrize("kind", ENGINES)
def test_a_reopened_folder_is_copied_once_and_comes_back_the_same(folder, engine, tmp_path, kind):
    target = engine(kind)
    with closing(QdrantClient(path=str(folder))) as source:
        assert migrate(source, target, "handbook").added == COUNT
        assert migrate(source, target, "handbook").skipped == COUNT
    with closing(QdrantClient(path=str(tmp_path / "back"))) as back:
        assert migrate(target, back, "handbook").added == COUNT
    with (
        closing(QdrantClient(path=str(folder))) as source,
        closing(QdrantClient(path=str(tmp_path / "back"))) as back,
    ):
        assert migrate(target, back, "handbook").skipped == COUNT
        assert migrate(back, source, "handbook").skipped == COUNT


@pytest.mark.slow
async def test_asynchronous_clients_copy_a_reopened_folder_once(folder, tmp_path):
    source = AsyncQdrantClient(path=str(folder))
    target = AsyncEdgeClient(tmp_path / "copy")
    assert (await amigrate(source, target, "handbook")).added == COUNT
    assert (await amigrate(source, target, "handbook")).skipped == COUNT
    await source.close()
    await target.close()


@pytest.mark.parametrize("name", ["", "dot", "rows", "dot rows"])
def test_another_direction_is_a_difference_and_under_the_dot_product_another_length_too(
    folder, tmp_path, name
):
    with (
        closing(QdrantClient(path=str(folder))) as source,
        closing(EdgeClient(tmp_path / "copy")) as target,
    ):
        migrate(source, target, "handbook")
        [record] = target.retrieve("handbook", ["1".zfill(32)], with_vectors=True)
        vector = np.array(record.vector[name])
        for changed, is_difference in ((2 * vector, "dot" in name), (-vector, True)):
            point = models.PointVectors(id=record.id, vector={name: changed.tolist()})
            target.update_vectors("handbook", [point])
            report = migrate(source, target, "handbook")
            assert (report.updated, report.skipped) == (is_difference, COUNT - is_difference)


# A folder of local mode in place of the embedded engine's

OPENED = {
    "EdgeClient": lambda path, _: EdgeClient(path),
    "create_vector_store": lambda path, e: create_vector_store(e, "handbook", path=path),
    "from_texts": lambda path, e: GeminiQdrantVectorStore.from_texts(["a"], e, path=path),
    "from_existing_collection": lambda path, e: GeminiQdrantVectorStore.from_existing_collection(
        "handbook", e, path=path
    ),
    "restore": lambda path, _: EdgeClient.restore(path, path.parent / "restored"),
    "repair": lambda path, _: EdgeClient.repair(path, path.parent / "repaired"),
}


def assert_told(raised, folder):
    message = str(raised.value)
    assert "['handbook']. Nothing is wrong with it" in message
    assert (
        f"migrate(QdrantClient(path={str(folder)!r}), EdgeClient('{folder}-edge'), 'handbook')"
        in message
    )
    assert (raised.value.path, raised.value.collections) == (str(folder), ("handbook",))


@pytest.mark.parametrize("opened", OPENED.values(), ids=OPENED)
def test_whatever_opens_it_says_what_it_is_and_how_to_move_it_and_leaves_it_alone(
    folder, embeddings, emulator, opened
):
    before = files_of(folder)
    with pytest.raises(LocalModeError) as raised:
        opened(folder, embeddings)
    assert_told(raised, folder)
    assert files_of(folder) == before
    assert not (folder / "collections").exists()
    assert emulator.requests == []
    assert [each.name for each in folder.parent.iterdir()] == ["local"]


@pytest.mark.slow
async def test_an_engine_in_a_process_of_its_own_says_it_too(folder):
    with pytest.raises(LocalModeError) as raised:
        EdgeClient(folder, worker=True)
    assert_told(raised, folder)
    client = AsyncEdgeClient(folder)
    with pytest.raises(LocalModeError) as raised:
        await client.get_collections()
    assert_told(raised, folder)
    await client.close()


def test_the_call_of_the_message_moves_the_collection(folder, embeddings):
    with pytest.raises(LocalModeError) as raised:
        create_vector_store(embeddings, "handbook", path=folder)
    call = str(raised.value).partition("migrate(")[2].partition(", and open")[0]
    names = {"QdrantClient": QdrantClient, "EdgeClient": EdgeClient, "migrate": migrate}
    assert eval(f"migrate({call}", names).added == COUNT  # noqa: S307 - our own message


def test_the_command_of_the_message_moves_the_collection(run, folder, embeddings):
    with pytest.raises(LocalModeError) as raised:
        create_vector_store(embeddings, "handbook", path=folder)
    command = str(raised.value).partition("In a shell, `gemini-qdrant ")[2].partition("`")[0]
    copied = run(*shlex.split(command))
    assert f"{COUNT} points copied" in copied.output
    assert (folder.parent / "local-edge").is_dir()


def test_a_folder_without_collections_is_told_too(tmp_path):
    QdrantClient(path=str(tmp_path)).close()
    with pytest.raises(LocalModeError, match=r"local mode, with the collections \[\]"):
        EdgeClient(tmp_path)


# The command line


@pytest.fixture
def run(monkeypatch, tmp_path, emulator):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, arguments, prog_name="gemini-qdrant")


MOVE = ("migrate", "--path", "local", "--collection", "handbook", "--to-path", "new")


def test_the_command_moves_a_collection_and_says_what_to_type_next(run, folder):
    before = files_of(folder)
    copied = run(*MOVE)
    assert copied.exit_code == 0, copied.output
    assert f"{COUNT} points copied, 0 replaced, 0 already there" in copied.output
    assert (
        'Next: gemini-qdrant search "..." --path new --collection handbook '
        "--model MODEL\nMODEL is the model that made the vectors"
    ) in copied.output
    assert f"{COUNT} already there" in run(*MOVE).output
    assert files_of(folder) == before
    size_and_model = ("--output-dimensionality", "768", "--model", "gemini-embedding-001")
    found = run(
        "search", "x", "--path", "new", "--collection", "handbook", *size_and_model, "--json"
    )
    assert json.loads(found.output.splitlines()[0])["text"].startswith("passage ")


@pytest.mark.parametrize(
    ("names", "next_step"),
    [(["a"], 'search "..." --path new --collection c --model MODEL'), (["a", "b"], "info --path")],
)
def test_the_next_step_fits_the_vectors_of_a_copy(run, monkeypatch, tmp_path, names, next_step):
    """A folder below `~` is found, too, where the shell has not replaced it: `--path=~/local`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with closing(QdrantClient(path=str(tmp_path / "local"))) as client:
        params = models.VectorParams(size=8, distance=DOT)
        client.create_collection("c", vectors_config=dict.fromkeys(names, params))
        vectors = {name: [1.0] * 8 for name in names}
        client.upsert("c", [models.PointStruct(id=1, vector=vectors)])
    copied = run("migrate", "--path", "~/local", "--collection", "c", "--to-path", "new")
    assert copied.exit_code == 0, copied.output
    assert "1 point copied" in copied.output
    assert f"Next: gemini-qdrant {next_step}" in copied.output


@pytest.mark.parametrize(
    "command",
    [
        ("search", "x", "--path", "local"),
        ("ingest", __file__, "--path", "local"),
        ("recall", "--path", "local"),
        ("reembed", "--path", "local"),
        ("repair", "local", "repaired"),
    ],
    ids=lambda command: command[0],
)
def test_every_other_command_names_the_command_that_moves_each_collection(run, folder, command):
    fill(folder, "it's")
    told = run(*command)
    assert told.exit_code == 1
    assert "is a folder of qdrant-client's local mode. Nothing is wrong with it" in told.output
    for name in ("handbook", "'it'\"'\"'s'"):
        move = (
            f"  gemini-qdrant migrate --path {folder} --collection {name} --to-path {folder}-edge"
        )
        assert move in told.output.splitlines()
    assert "QdrantClient" not in told.output


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_cannot_be_copied_is_told_before_a_folder_is_made(run, folder):
    missing = run(*MOVE[:3], "--collection", "other", "--to-path", "new")
    assert "no collection 'other', found 'handbook': name one with --collection" in missing.output
    nowhere = run("migrate", "--path", "nowhere", "--to-path", "new")
    assert "there is no index in nowhere" in nowhere.output
    assert "there is no index in nowhere" in run("reembed", "--path", "nowhere").output
    onto = run("migrate", "--path", "x", "--to-path", "local")
    assert "--to-path local is a folder of qdrant-client's local mode" in onto.output
    with closing(QdrantClient(path=str(folder))):
        locked = run(*MOVE)
    assert "Error: local is open in another program" in locked.output
    (folder / "collection" / "handbook" / "storage.sqlite").write_text("no database, " * 99)
    assert "Error: qdrant-client cannot read local: file is not a database" in run(*MOVE).output
    assert [each.name for each in folder.parent.iterdir()] == ["local"]


@pytest.mark.parametrize("damage", ["empty", "missing"])
def test_a_collection_whose_file_is_lost_is_told_and_not_copied_as_an_empty_one(
    run, folder, damage
):
    fill(folder, "other")
    file = folder / "collection" / "handbook" / "storage.sqlite"
    file.unlink() if damage == "missing" else file.write_bytes(b"")
    before = files_of(folder)
    told = run(*MOVE)
    assert told.exit_code == 1
    assert told.stderr == (
        "Error: collection 'handbook' is damaged: local/collection/handbook/storage.sqlite is "
        f"{damage}. Restore the file from a backup\n"
    )
    assert files_of(folder) == before
    assert [each.name for each in folder.parent.iterdir()] == ["local"]
    copied = run(*MOVE[:4], "other", *MOVE[5:])
    assert copied.exit_code == 0, copied.output
    assert "Warning: collection 'handbook', which is not copied, is damaged" in copied.stderr


def test_a_source_without_points_says_so(run, tmp_path):
    with closing(QdrantClient(path=str(tmp_path / "local"))) as client:
        client.create_collection("handbook", models.VectorParams(size=8, distance=COSINE))
    copied = run(*MOVE)
    assert copied.exit_code == 0, copied.output
    assert "The source has no points; its settings are copied" in copied.output
    assert "verified" not in copied.output
