"""Documents of agents: nothing outside the folder, nothing of a private network, never later than the limit."""

import asyncio
import io
import os
import zipfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.clock import ManualClock
from app.documents.errors import DocumentUnusable
from app.documents.kinds import decoded, kind_of
from app.documents.library import (
    ALL_CHARACTERS,
    DOCUMENT_CHARACTERS,
    FRESH_MS,
    MAX_DOCUMENTS,
    Library,
    Text,
    within,
)
from app.documents.places import MAX_BYTES, name_of, object_url, read_file

pytestmark = pytest.mark.anyio
TENANT = "default"
LIMIT_S = 30.0
DOCX_HEAD = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'


def pdf(*lines: str) -> bytes:
    """A PDF of one page, written by hand: pypdf reads it, and nothing else has to be installed."""
    show = "".join(
        f"BT /F1 12 Tf 72 {700 - 20 * at} Td ({line}) Tj ET\n" for at, line in enumerate(lines)
    ).encode()
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%sendstream" % (len(show), show),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", list[int]()
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    tail = b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return out + tail % (table, len(out))


def docx(xml: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("word/document.xml", xml)
    return made.getvalue()


def paragraphs(*texts: str) -> str:
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in texts)
    return f"{DOCX_HEAD}{body}</w:body></w:document>"


def library(tmp_path: Path, endpoint: str = "") -> Library:
    clock = ManualClock(datetime(2026, 11, 27, tzinfo=UTC))
    return Library(folder=tmp_path / "docs", kept=tmp_path / "kept", s3_endpoint=endpoint, clock=clock)


def put(tmp_path: Path, name: str, body: bytes) -> str:
    file = tmp_path / "docs" / TENANT / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return name


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("a.txt", "Prices: 5 €".encode(), "Prices: 5 €"),
        ("a.md", b"\xef\xbb\xbf# Menu\n- soup", "# Menu\n- soup"),
        ("a.csv", b"dish;price\nsoup;5", "dish;price\nsoup;5"),
        ("a.json", b'{"soup": 5}', '{"soup": 5}'),
        ("old.txt", b"caf\xe9", "café"),
        ("wide.txt", "Füße".encode("utf-16"), "Füße"),
        (
            "a.html",
            b"<html><head><style>x{}</style><title>Shop</title></head><body><p>We <b>open</b> at 9.</p>"
            b"<script>evil()</script><ul><li>Mon</li><li>Tue</li></ul></body></html>",
            "Shop\nWe open at 9.\nMon\nTue",
        ),
        ("a.pdf", pdf("We open at 9.", "No dogs."), "We open at 9.\nNo dogs.\n"),
        ("misnamed.txt", pdf("Still a PDF."), "Still a PDF.\n"),
        ("a.docx", docx(paragraphs("We open at 9.", "No dogs &amp; cats.")), "We open at 9.\nNo dogs & cats.\n"),
    ],
)
async def test_text_of_every_kind(tmp_path: Path, name: str, body: bytes, expected: str) -> None:
    found = await library(tmp_path).load(TENANT, [put(tmp_path, name, body)], LIMIT_S)
    assert found.missing == ()
    assert found.texts == (Text(name, expected),)


BOMB = '<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>' + paragraphs("&b;")


@pytest.mark.parametrize(
    ("name", "body", "sentence"),
    [
        ("a.exe", b"MZ", "none of txt, md"),
        ("a.zip", b"PK\x03\x04rest", "none of txt, md"),
        ("a.docx", b"PK\x03\x04rest", "cannot be read as docx"),
        ("bomb.docx", docx(BOMB), "cannot be read as docx"),
        ("huge.docx", docx(paragraphs("x" * 21 * 1024 * 1024)), "cannot be read as docx"),
        ("broken.pdf", b"%PDF-1.4\nnothing", "cannot be read as pdf"),
        ("scan.pdf", pdf(), "no text"),
        ("a.txt", b"a\x00b", "is no text"),
        ("empty.txt", b" \n", "no text"),
        ("long.txt", b"x" * (MAX_BYTES + 1), "more than 5 MiB"),
    ],
)
async def test_what_cannot_be_read_is_a_sentence(tmp_path: Path, name: str, body: bytes, sentence: str) -> None:
    names = [put(tmp_path, name, body), put(tmp_path, "good.txt", b"good")]
    found = await library(tmp_path).load(TENANT, names, LIMIT_S)
    assert found.texts == (Text("good.txt", "good"),)
    (told,) = found.missing
    assert sentence in told
    assert name in told


def outside(tmp_path: Path) -> None:
    put(tmp_path, "inner/a.txt", b"fine")
    (tmp_path / "docs" / "rival").mkdir()
    (tmp_path / "docs" / "rival" / "secret.txt").write_text("SECRET")
    (tmp_path / "secret.txt").write_text("SECRET")
    tenant = tmp_path / "docs" / TENANT
    (tenant / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tenant / "up").symlink_to(tmp_path)
    (tenant / "near.txt").symlink_to("inner/a.txt")
    os.mkfifo(tenant / "pipe.txt")


@pytest.mark.parametrize(
    "path",
    [
        "../rival/secret.txt",
        "inner/../../rival/secret.txt",
        "/etc/hostname",
        "link.txt",
        "up/secret.txt",
        "near.txt",
        "pipe.txt",
        "inner",
        "inner//a.txt",
        "./inner/a.txt",
        "",
        "a\x00.txt",
        "nothing.txt",
        "a.txt/b",
        "x" * 5_000,
    ],
)
async def test_no_path_and_no_link_leads_out(tmp_path: Path, path: str) -> None:
    outside(tmp_path)
    found = await library(tmp_path).load(TENANT, [path], LIMIT_S)
    assert found.texts == ()
    assert len(found.missing) == 1
    assert not (await library(tmp_path).load("..", ["secret.txt"], LIMIT_S)).texts
    assert (await library(tmp_path).load(TENANT, ["inner/a.txt"], LIMIT_S)).texts


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    st.lists(
        st.sampled_from(["..", ".", "", "rival", "secret.txt", "up", "link.txt", "inner", "a.txt"]), max_size=6
    )
)
@example(["up", "secret.txt"])
def test_whatever_the_path_nothing_foreign_is_read(tmp_path: Path, parts: list[str]) -> None:
    if not (tmp_path / "docs").exists():
        outside(tmp_path)
    try:
        body = read_file(tmp_path / "docs", f"{TENANT}/{'/'.join(parts)}").body
    except DocumentUnusable:
        return
    assert body == b"fine"


class Store:
    """An object store on loopback, whose origin the operator has named."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        await self.may_answer.wait()
        if "private" in request.path:
            return web.Response(status=403)
        return web.Response(body=b"We open at 9.", content_type="text/plain")


@asynccontextmanager
async def object_store() -> AsyncGenerator[tuple[Store, str]]:
    store = Store()
    made = web.Application()
    made.router.add_get("/{any:.*}", store.answer)
    runner = web.AppRunner(made)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield store, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        store.may_answer.set()  # leaving waits for what is being answered
        await runner.cleanup()


async def test_an_object_is_asked_once_while_it_is_fresh(tmp_path: Path) -> None:
    async with object_store() as (store, endpoint):
        made = library(tmp_path, endpoint)
        for _ in range(3):
            found = await made.load(TENANT, ["s3://shop/info/opening hours.txt"], LIMIT_S)
            assert found.texts == (Text("opening hours.txt", "We open at 9."),)
        assert store.asked == ["/shop/info/opening hours.txt"]
        clock = made._clock
        assert isinstance(clock, ManualClock)
        clock.advance(FRESH_MS / 1000 + 1)
        await made.load(TENANT, ["s3://shop/info/opening hours.txt"], LIMIT_S)
        assert len(store.asked) == 2
    clock.advance(86_400)
    kept = await made.load(TENANT, ["s3://shop/info/opening hours.txt"], LIMIT_S, ask=False)
    assert kept.texts, "a call that lives already takes what there is"
    assert not (await made.load(TENANT, ["s3://shop/new.txt"], LIMIT_S, ask=False)).texts


async def test_a_private_object_says_what_would_do(tmp_path: Path) -> None:
    async with object_store() as (_, endpoint):
        found = await library(tmp_path, endpoint).load(TENANT, ["s3://private/a.txt"], LIMIT_S)
    assert found.missing == (
        "a.txt cannot be had: the server answered 403. Only public objects are read; of others give a presigned "
        "https address.",
    )
    assert "S3_ENDPOINT" in (await library(tmp_path).load(TENANT, ["s3://b/a.txt"], LIMIT_S)).missing[0]


async def test_a_slow_server_costs_its_document_and_no_more(tmp_path: Path) -> None:
    async with object_store() as (store, endpoint):
        store.may_answer.clear()
        loop = asyncio.get_running_loop()
        began = loop.time()
        names = ["s3://shop/slow.txt", put(tmp_path, "quick.txt", b"quick")]
        found = await library(tmp_path, endpoint).load(TENANT, names, 0.3)
        assert loop.time() - began < 5
    assert found.texts == (Text("quick.txt", "quick"),)
    assert found.missing == ("slow.txt was not there within 0.3 s.",)


async def test_a_hostile_file_is_given_up_with_its_program(tmp_path: Path) -> None:
    deep = b"%PDF-1.4\n" + b"".join(
        b"%d 0 obj\n<< /Kids [%d 0 R] >>\nendobj\n" % (n, n + 1) for n in range(60_000)
    )
    name = put(tmp_path, "deep.pdf", deep)
    found = await library(tmp_path).load(TENANT, [name], 0.2)
    assert found.texts == ()
    assert len(found.missing) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/a.txt",
        "https://127.0.0.1/a.txt",
        "https://169.254.169.254/latest/meta-data",
        "http://example.org/a.txt",
        "https://localhost/a.txt",
        "file:///etc/passwd",
        "ftp://example.org/a.txt",
        "s3://shop/../a.txt",
    ],
)
async def test_addresses_go_through_the_guarded_client(tmp_path: Path, address: str) -> None:
    found = await library(tmp_path, "https://store.example.org").load(TENANT, [address], LIMIT_S)
    assert found.texts == ()
    assert len(found.missing) == 1


async def test_the_store_is_private_to_its_own_addresses(tmp_path: Path) -> None:
    """An agent's plain address never reaches what s3:// may reach."""
    async with object_store() as (store, endpoint):
        found = await library(tmp_path, endpoint).load(TENANT, [f"{endpoint}/shop/a.txt"], LIMIT_S)
    assert found.texts == ()
    assert store.asked == []
    assert "127.0.0.1" in found.missing[0]


async def test_the_key_of_an_address_is_never_told(tmp_path: Path) -> None:
    found = await library(tmp_path).load(TENANT, ["https://127.0.0.1/a.txt?X-Amz-Signature=topsecret"], LIMIT_S)
    assert "topsecret" not in found.missing[0]
    assert name_of("https://h/x/b%20c.pdf?k=topsecret") == "b c.pdf"
    assert object_url("s3://bb/a b/ü?.txt", "https://s.example/") == "https://s.example/bb/a%20b/%C3%BC%3F.txt"


@pytest.mark.parametrize(
    "bucket",
    ["", ".", "..", "a", "a..b", "-shop", ".shop", "Shop", "sh_op", "shöp", "sh%2e", "sh?", "shop\n", "a" * 64],
)
def test_buckets_that_are_none(bucket: str) -> None:
    with pytest.raises(DocumentUnusable, match="no s3://bucket/key"):
        object_url(f"s3://{bucket}/a.txt", "https://s.example")


@pytest.mark.parametrize("bucket", ["a1", "0.shop-info.example", "a" * 63])
def test_buckets(bucket: str) -> None:
    assert object_url(f"s3://{bucket}/a.txt", "https://s.example") == f"https://s.example/{bucket}/a.txt"


async def test_a_document_is_taken_apart_once_and_kept_privately(tmp_path: Path) -> None:
    made = library(tmp_path)
    name = put(tmp_path, "a.pdf", pdf("One."))
    await made.load(TENANT, [name], LIMIT_S)
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.write_text("from the shelf")
    assert (await made.load(TENANT, [name], LIMIT_S)).texts == (Text(name, "from the shelf"),)
    put(tmp_path, "a.pdf", pdf("Two."))
    assert (await made.load(TENANT, [name], LIMIT_S)).texts == (Text(name, "Two.\n"),)


async def test_bounds(tmp_path: Path) -> None:
    names = [put(tmp_path, f"{at:02}.txt", b"x" * 20_000) for at in range(MAX_DOCUMENTS + 1)]
    made = library(tmp_path)
    found = await made.load(TENANT, [names[0], *names], LIMIT_S)
    assert found.missing == (f"{names[-1]} is one document too many.",)
    assert [one.name for one in found.texts] == names[:-1], "in the agent's order, none twice"
    assert sum(len(one.text) for one in found.texts) <= ALL_CHARACTERS
    (alone,) = (await made.load(TENANT, names[:1], LIMIT_S)).texts
    assert len(alone.text) == DOCUMENT_CHARACTERS


@given(st.lists(st.integers(0, 100), max_size=8), st.integers(0, 200))
def test_room_is_shared_fairly(sizes: list[int], limit: int) -> None:
    made = within([Text(f"{at}", "x" * size) for at, size in enumerate(sizes)], limit)
    got = {int(one.name): len(one.text) for one in made}
    assert sum(got.values()) == min(limit, sum(sizes)) or sum(got.values()) > limit - len(sizes)
    assert sum(got.values()) <= limit
    for at, size in enumerate(sizes):
        fair = limit // max(1, len(sizes))
        assert got.get(at, 0) >= min(size, fair)


@given(st.binary(max_size=200), st.text(max_size=20), st.text(max_size=40))
def test_kinds_and_decoding_never_fail_otherwise(body: bytes, name: str, content_type: str) -> None:
    kind_of(name, content_type, body)
    with suppress(ValueError):
        decoded(body)
