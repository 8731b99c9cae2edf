"""EPUB: the chapters in reading order, read as HTML."""

import posixpath
from urllib.parse import unquote
from zipfile import ZipFile

from lxml import etree  # type: ignore[import-untyped]  # it comes without types

from isoflop.errors import Unreadable
from isoflop.search.read.archive import DAMAGED, MOST_BYTES_A_MEMBER, open_zip
from isoflop.search.read.content import Content, Draft
from isoflop.search.read.encoding import decode
from isoflop.search.read.html import parsed, write

BROKEN = "is a broken book ({}). Convert it to .epub again."
FONT_ONLY = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def read(data: bytes, name: str) -> Content:
    """Every chapter of a book that is not locked.

    Raises:
        Unreadable: If it is broken, locked or without text.
    """
    with open_zip(data) as book:
        _check_unlocked(book)
        package = _xml(book, _package_path(book))
        folder = posixpath.dirname(_package_path(book))
        draft = Draft()
        missing = []
        for chapter in _spine(package):
            try:
                page = _member(book, posixpath.normpath(posixpath.join(folder, chapter)))
            except KeyError:
                missing.append(chapter)
                continue
            tree = parsed(decode(page))
            if tree.body is not None:
                write(tree.body, draft)
    if not draft.length:
        raise Unreadable("has no text: its chapters are pictures. Run OCR on them first.")
    lost = [f"chapters missing from the file: {', '.join(missing)}."] if missing else []
    return draft.content(_metadata(package), lost)


def _member(book: ZipFile, name: str) -> bytes:
    info = book.getinfo(name)
    if info.file_size > MOST_BYTES_A_MEMBER:
        raise Unreadable(BROKEN.format(f"{name} is over the limit for one chapter"))
    try:
        return book.read(info)
    except (*DAMAGED, NotImplementedError, RuntimeError) as error:
        raise Unreadable(BROKEN.format(error)) from error


def _xml(book: ZipFile, name: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    try:
        root = etree.fromstring(_member(book, name), parser)
    except (KeyError, etree.LxmlError, ValueError) as error:
        raise Unreadable(BROKEN.format(error)) from error
    if root is None:
        raise Unreadable(BROKEN.format(f"{name} is empty"))
    return root


def _package_path(book: ZipFile) -> str:
    """Where the container says that the list of chapters is."""
    for rootfile in _xml(book, "META-INF/container.xml").iter("{*}rootfile"):
        if path := rootfile.get("full-path"):
            return str(path)
    raise Unreadable(BROKEN.format("no package is named"))


def _check_unlocked(book: ZipFile) -> None:
    if "META-INF/encryption.xml" not in book.namelist():
        return
    methods = _xml(book, "META-INF/encryption.xml").iter("{*}EncryptionMethod")
    if any(method.get("Algorithm") not in FONT_ONLY for method in methods):
        raise Unreadable("is locked (DRM). Only its seller's programs can open it.")


def _spine(package: etree._Element) -> list[str]:
    """Paths of the chapters, in reading order, beside the package."""
    items = {
        item.get("id"): unquote(item.get("href", ""))
        for item in package.iter("{*}item")
        if "nav" not in item.get("properties", "").split()
    }
    return [
        items[reference.get("idref")]
        for reference in package.iter("{*}itemref")
        if items.get(reference.get("idref"))
    ]


def _metadata(package: etree._Element) -> dict[str, str]:
    named = {"title": "title", "author": "creator", "date": "date"}
    found = {}
    for ours, theirs in named.items():
        element = next(package.iter(f"{{http://purl.org/dc/elements/1.1/}}{theirs}"), None)
        if element is not None and element.text:
            found[ours] = element.text
    return found
