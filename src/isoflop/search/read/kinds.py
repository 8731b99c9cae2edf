"""Which kinds of files there are: by their names, by their first bytes, and who reads them."""

from isoflop.search.read.encoding import BINARY, is_binary

_HERE = "isoflop.search.read"
_OFFICE = "application/vnd.openxmlformats-officedocument"
DOCX = f"{_OFFICE}.wordprocessingml.document"
PPTX = f"{_OFFICE}.presentationml.presentation"
XLSX = f"{_OFFICE}.spreadsheetml.sheet"
OLE = "application/x-ole-storage"
BINARY_KIND = "application/octet-stream"

# media type -> reader(data, name) -> Content
READERS = {
    "text/plain": f"{_HERE}.plain:read",
    "text/markdown": f"{_HERE}.markup:read_markdown",
    "text/x-rst": f"{_HERE}.markup:read_restructured",
    "text/csv": f"{_HERE}.table:read",
    "text/tab-separated-values": f"{_HERE}.table:read",
    "text/x-source": f"{_HERE}.code:read",
    "application/json": f"{_HERE}.data:read",
    "application/jsonl": f"{_HERE}.data:read_lines",
    "application/x-ipynb+json": f"{_HERE}.notebook:read",
    "text/html": f"{_HERE}.html:read",
    "application/pdf": f"{_HERE}.pdf:read",
    "application/epub+zip": f"{_HERE}.book:read",
    "message/rfc822": f"{_HERE}.mail:read",
    DOCX: f"{_HERE}.office:read_docx",
    PPTX: f"{_HERE}.slides:read",
    XLSX: f"{_HERE}.sheets:read",
    "application/vnd.ms-excel": f"{_HERE}.sheets:read",
    "application/vnd.oasis.opendocument.spreadsheet": f"{_HERE}.sheets:read",
}
# media type -> members(data, name) -> (name, bytes or why not) of every file inside
CONTAINERS = {
    "application/zip": f"{_HERE}.archive:zip_members",
    "application/x-tar": f"{_HERE}.archive:tar_members",
    "application/gzip": f"{_HERE}.archive:packed_members",
    "application/x-bzip2": f"{_HERE}.archive:packed_members",
    "application/x-xz": f"{_HERE}.archive:packed_members",
}
# Rows and nothing else: where the first names the columns, it is the innermost heading.
SHEETS = frozenset(
    kind
    for kind, reader in READERS.items()
    if reader.startswith((f"{_HERE}.table:", f"{_HERE}.sheets:"))
)
# Decoded, and not parsed.
RAW = frozenset(("text/plain", "text/csv", "text/tab-separated-values"))
# Parsed line by line, by a few lines of this package, in time and memory that grow with the
# file's size and no faster. All others go to the worker.
HARMLESS = RAW | {"text/markdown", "text/x-rst", "text/x-source", "application/jsonl"}


def _suffixes(listed: str, kind: str) -> dict[str, str]:
    return dict.fromkeys(listed.split(), kind)


SUFFIXES = {
    **_suffixes("md markdown mdown mkd mdx qmd rmd", "text/markdown"),
    **_suffixes("rst rest", "text/x-rst"),
    **_suffixes("txt text log", "text/plain"),
    **_suffixes("html htm xhtml", "text/html"),
    **_suffixes("csv", "text/csv"),
    **_suffixes("tsv tab", "text/tab-separated-values"),
    **_suffixes("json geojson", "application/json"),
    **_suffixes("jsonl ndjson", "application/jsonl"),
    **_suffixes("ipynb", "application/x-ipynb+json"),
    **_suffixes("pdf", "application/pdf"),
    **_suffixes("docx docm dotx", DOCX),
    **_suffixes("pptx pptm ppsx potx", PPTX),
    **_suffixes("xlsx xlsm xltx xlsb", XLSX),
    **_suffixes("xls", "application/vnd.ms-excel"),
    **_suffixes("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    **_suffixes("epub", "application/epub+zip"),
    **_suffixes("eml", "message/rfc822"),
    **_suffixes("zip", "application/zip"),
    **_suffixes("tar", "application/x-tar"),
    **_suffixes("gz tgz", "application/gzip"),
    **_suffixes("bz2 tbz2", "application/x-bzip2"),
    **_suffixes("xz txz", "application/x-xz"),
    **_suffixes(
        "py pyi pyx js mjs cjs jsx ts tsx java kt kts scala groovy c h cc cpp cxx hh hpp hxx m mm "
        "cs fs go rs swift rb php pl pm lua r jl dart ex exs erl hs ml mli clj lisp el scm nim zig "
        "v sv vhd f f90 pas d sh bash zsh fish ps1 bat sql proto graphql thrift tf nix cmake mk "
        "gradle css scss less vue svelte tex bib org adoc asciidoc",
        "text/x-source",
    ),
    **_suffixes("doc dot", "application/msword"),
    **_suffixes("ppt pps", "application/vnd.ms-powerpoint"),
    **_suffixes("msg", "application/vnd.ms-outlook"),
    **_suffixes("rtf", "application/rtf"),
    **_suffixes("odt", "application/vnd.oasis.opendocument.text"),
    **_suffixes("odp", "application/vnd.oasis.opendocument.presentation"),
    **_suffixes("mobi azw azw3", "application/x-mobipocket-ebook"),
    **_suffixes("rar 7z", "application/x-7z-compressed"),
    **_suffixes("png jpg jpeg gif bmp tif tiff webp ico svg heic psd ai", "image"),
    **_suffixes("mp3 wav flac ogg m4a aac mp4 mkv avi mov webm", "audio"),
}

REFUSED = {
    BINARY_KIND: f"{BINARY}.",
    OLE: "is an encrypted or old Office file. Save it without a password as .docx, .xlsx or .pptx.",
    "application/msword": "is an old Word file. Save it as .docx.",
    "application/vnd.ms-powerpoint": "is an old PowerPoint file. Save it as .pptx.",
    "application/vnd.ms-outlook": "is an Outlook message. Save it as .eml.",
    "application/rtf": "is in Rich Text Format. Save it as .docx.",
    "application/vnd.oasis.opendocument.text": "is OpenDocument text. Save it as .docx.",
    "application/vnd.oasis.opendocument.presentation": "is OpenDocument slides. Save it as .pptx.",
    "application/x-mobipocket-ebook": "is a Kindle book. Convert it to .epub.",
    "application/x-7z-compressed": "is an archive of a kind that is not read. Pack it as .zip.",
    "image": "is a picture, not text. Run OCR on it first if it shows text.",
    "audio": "is a recording, not text. Transcribe it first.",
}

# Longest first where one begins with another.
STARTS = (
    (b"%PDF-", "application/pdf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"{\\rtf", "application/rtf"),
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
)
INSIDE_ZIP = (
    (b"mimetypeapplication/epub+zip", "application/epub+zip"),
    (b"META-INF/container.xml", "application/epub+zip"),
    (b"word/", DOCX),
    (b"ppt/", PPTX),
    (b"xl/", XLSX),
)
TAR_MAGIC = slice(257, 262)


def kind_of_name(name: str) -> str | None:
    """The media type that a file's name promises."""
    stem, dot, suffix = name.lower().rpartition(".")
    return SUFFIXES.get(suffix) if dot and stem else None


def kind_of_start(start: bytes) -> str:
    """The media type that the first bytes of a file show."""
    for mark, kind in STARTS:
        if start.startswith(mark):
            return kind
    if start.startswith(b"PK\x03\x04"):
        return next((kind for mark, kind in INSIDE_ZIP if mark in start), "application/zip")
    if start[TAR_MAGIC] == b"ustar":
        return "application/x-tar"
    if start[:1024].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "text/html"
    return BINARY_KIND if is_binary(start) else "text/plain"
