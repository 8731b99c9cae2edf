"""Index: a folder of documents that can be searched; light to import, heavy parts on demand."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Self

from isoflop import catalog
from isoflop.bill import Bill
from isoflop.documents import Passage
from isoflop.errors import DamagedIndex, UsageError, did_you_mean
from isoflop.machine import Machine
from isoflop.meter import measured
from isoflop.plan.price import run_bill
from isoflop.questions import WAYS, Hit, Way
from isoflop.search.database import NAME
from isoflop.search.truth import Truth
from isoflop.settings import setting

if TYPE_CHECKING:
    from isoflop.search.dense import Vectors
    from isoflop.search.encode import Encoder
    from isoflop.search.lexical import Words
    from isoflop.search.rank import Ranking
    from isoflop.search.rerank import Pieces
    from isoflop.search.update import Progress, Update

DEFAULT_WAY: Way = "reranked"
FIELDS = {
    "source": "documents.name",
    "type": "documents.media_type",
    "heading": "passages.headings",
    "title": "documents.metadata",
}
MOST_QUERY_CHARACTERS = 4096  # far beyond the encoder's window; the rest of a query is not read


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found and what it took."""

    hits: tuple[Hit, ...]
    bill: Bill


@dataclass(slots=True)
class _State:
    """The derived files of one generation, opened."""

    generation: int
    words: "Words | None" = None
    documents: "Words | None" = None
    vectors: "Vectors | None" = None


@dataclass
class Index:
    """An index in its folder: `.isoflop/` beside the documents, or wherever it was put.

    Reading needs no lock and always sees the last published state, from any number of threads.
    `update` takes the lock.

    Attributes:
        folder: Of the index.
        roots: What is indexed: folders or files.
        encoder_name: As the user wrote it ("minilm", "hf:FOLDER", "openai:NAME").
    """

    folder: Path
    roots: tuple[Path, ...]
    encoder_name: str
    _idle: list[Truth] = field(default_factory=list, repr=False)  # each for one reader at a time
    _state: _State | None = field(default=None, repr=False)
    _encoder: "Encoder | None" = field(default=None, repr=False)
    _pieces: "Pieces | None" = field(default=None, repr=False)
    _machine: Machine | None = field(default=None, repr=False)
    _loading: RLock = field(default_factory=RLock, repr=False)

    @classmethod
    def open(
        cls,
        *paths: str | Path,
        into: str | Path | None = None,
        encoder: str | None = None,
    ) -> Self:
        """The index of these documents, whether or not it was made yet.

        Args:
            paths: Folders or files to index; or one folder that is itself an index.
            into: Folder of the index; by default `.isoflop` in the folder of documents.
            encoder: Name of the encoder; by default the one the index has, else the setting.

        Raises:
            UsageError: If a path does not exist, or several paths are given without `into`.
        """
        roots = tuple(Path(path).expanduser().resolve() for path in paths)
        for root in roots:
            if not root.exists():
                raise UsageError(f"{root} does not exist. Name a folder or a file.")
        if into is not None:
            folder = Path(into).expanduser().resolve()
        elif len(roots) == 1:
            folder = index_folder(roots[0])
        else:
            raise UsageError(
                "Several paths make one index only with --into DIR."
                if roots
                else "Name a folder or a file to index."
            )
        if roots == (folder,):
            if into is not None and not (folder / NAME).exists():
                raise UsageError(f"{folder} holds the documents. Name another folder with --into.")
            roots = ()
        return cls(folder, roots, encoder or "")._restored()

    def _restored(self) -> Self:
        """Take from an existing index what the call did not say."""
        known: tuple[Path, ...] = ()
        encoder = ""
        if self.exists:
            with self._reading() as truth, truth.transaction("DEFERRED"):
                text = truth.get("roots")  # lines, before they were JSON
                roots = json.loads(text) if text.startswith("[") else text.split("\n")
                known = tuple((self.folder / root).resolve() for root in roots)
                encoder = truth.get("encoder")
        self.roots = self.roots or known
        if not self.roots:
            raise UsageError(f"No index in {self.folder}. Make one with: isoflop index PATH")
        self.encoder_name = self.encoder_name or encoder or str(setting("encoder").value)
        return self

    @property
    def exists(self) -> bool:
        """Whether something was published that can be searched."""
        if not (self.folder / NAME).exists():
            return False
        with self._reading() as truth:
            return truth.generation > 0

    @property
    def encoder(self) -> "Encoder":
        """The encoder, loaded when it is first needed."""
        with self._loading:
            if self._encoder is None:
                from isoflop.search.encode import load

                threads = setting("threads").value
                self._encoder = load(self.encoder_name, threads=int(threads) if threads else None)
            return self._encoder

    @property
    def default_way(self) -> Way:
        """The way of ranking where none is named."""
        return "fused" if self.encoder_name.startswith("openai:") else DEFAULT_WAY

    def update(
        self,
        *,
        wait_seconds: float = 0,
        progress: "Progress | None" = None,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> "Update":
        """Read what is new or changed, forget what is gone, and publish the result.

        Args:
            wait_seconds: How long to wait for another writer.
            progress: Told the stage, what is done and what there is to do.
            on_wait: Told who is writing, when there is something to wait for.

        Returns:
            What changed, what was refused, and the bill.

        Raises:
            IndexBusy: If another process writes it and does not finish in time.
            UsageError: If the folder cannot be written or the disk is full.
        """
        from isoflop import lock
        from isoflop.search.update import update

        self._make_folder()
        with lock.writing(self.folder, wait_seconds=wait_seconds, on_wait=on_wait):
            return update(
                self.folder, self.roots, self.encoder_name, lambda: self.encoder, progress
            )

    def search(
        self, query: str, k: int = 10, *, by: Way | None = None, where: Sequence[str] = ()
    ) -> list[Hit]:
        """The k best passages.

        Args:
            query: Any text; what exceeds the encoder's window is ranked by words alone.
            k: How many.
            by: "bm25", "dense", "fused" or "reranked"; None for the best there is: "reranked",
                or "fused" where the encoder is a server, which shows no tokens.
            where: Filters that must all hold, such as "source:*.md" or "type:application/pdf".

        Raises:
            UsageError: If the query is empty, k is not positive, or a name is unknown.
        """
        return list(self.find(query, k, by=by, where=where).hits)

    def find(
        self, query: str, k: int = 10, *, by: Way | None = None, where: Sequence[str] = ()
    ) -> Found:
        """As `search`, with the bill."""
        by = by or self.default_way
        _check(query, k, by)
        clauses = [_clause(text) for text in where]
        with measured() as reading, self._snapshot() as (truth, state):
            allowed = truth.living_ids(state.generation, clauses) if clauses else None
            ranking = self._ranking(truth, state, query[:MOST_QUERY_CHARACTERS], allowed)
            ranked = ranking.by(by, min(k, max(1, len(ranking.vectors))), state.generation)
            passages = truth.passages([id for id, _ in ranked], state.generation)
        hits = [Hit(passages[id], score, by) for id, score in ranked if id in passages]
        hits.sort(key=lambda hit: (-hit.score, hit.passage.document, hit.passage.start))
        self._machine = self._machine or catalog.this_machine()
        bill = run_bill(
            self._machine,
            seconds=reading.seconds,
            joules=reading.joules,
            flops=ranking.work.flops,
            prompt_tokens=ranking.work.prompt_tokens,
        )
        return Found(tuple(hits[:k]), bill)

    def passages(self) -> Iterator[Passage]:
        """Every passage of the published state, document by document."""
        with self._snapshot() as (truth, state):
            ids = truth.living_ids(state.generation)
            for start in range(0, len(ids), 1024):
                some = ids[start : start + 1024]
                found = truth.passages(some, state.generation)
                yield from (found[id] for id in some)

    def counts(self) -> dict[str, int]:
        """Files, documents, passages and refusals of the published state."""
        with self._reading() as truth:
            return truth.counts(truth.generation)

    def refusals(self) -> list[tuple[str, str]]:
        """Names and reasons of what could not be read."""
        with self._reading() as truth:
            return truth.refusals(truth.generation)

    def close(self) -> None:
        """Let go of the files."""
        while self._idle:
            self._idle.pop().close()
        self._state = None

    @contextmanager
    def _reading(self) -> Iterator[Truth]:
        """The truth, opened for this reader alone: another one may be in a transaction."""
        truth = None
        with suppress(IndexError):  # not asked before: another thread may take the last one
            truth = self._idle.pop()
        truth = truth or Truth(self.folder)
        try:
            yield truth
        finally:
            self._idle.append(truth)

    @contextmanager
    def _snapshot(self) -> Iterator[tuple[Truth, _State]]:
        """One published state: a read transaction and the derived files that belong to it."""
        with self._reading() as truth:
            for _ in range(50):
                with truth.transaction("DEFERRED"):
                    generation = truth.generation
                    if not generation:
                        raise UsageError(
                            f"No index in {self.folder}. Make one with: isoflop index PATH"
                        )
                    state = self._state
                    if state is None or state.generation != generation:
                        state = self._state = _State(generation)
                    if self._opened(truth, state):
                        yield truth, state
                        return
                self._state = None  # a writer has published meanwhile: look again
            raise DamagedIndex(f"{self.folder} lacks files of its own. Mend it with: isoflop index")

    def _opened(self, truth: Truth, state: _State) -> bool:
        """Open the derived files of this state; False if they went when a newer was published."""
        if state.words is None or state.vectors is None:
            from isoflop.search.dense import Vectors
            from isoflop.search.lexical import Words

            name, documents = truth.get("vectors"), truth.get("documents")
            try:
                state.vectors = Vectors.open(self.folder / name)
                # an index of an earlier format has none until it is updated
                state.documents = Words.open(self.folder / documents) if documents else None
                state.words = Words.open(self.folder / truth.get("words"))
            except (FileNotFoundError, DamagedIndex):
                return False
        return True

    def _ranking(
        self, truth: Truth, state: _State, query: str, allowed: Sequence[int] | None
    ) -> "Ranking":
        from isoflop.search.rank import Ranking

        assert state.words is not None
        assert state.vectors is not None
        return Ranking(
            truth,
            state.words,
            state.documents,
            state.vectors,
            lambda: self._same_encoder(truth),
            self._loaded_pieces,
            query,
            allowed,
        )

    def _loaded_pieces(self) -> "Pieces":
        """What reranking compares, loaded when it is first needed."""
        with self._loading:
            if self._pieces is None:
                from isoflop.search.encode import checkpoint_folder
                from isoflop.search.rerank import Pieces

                find = partial(checkpoint_folder, self.encoder_name)
                self._pieces = Pieces.load(self.encoder, find)
            return self._pieces

    def _same_encoder(self, truth: Truth) -> "Encoder":
        """The encoder, if it is the one that made the vectors."""
        made_by = truth.get("identity").partition("|")[0]
        if self.encoder.name != made_by:
            raise UsageError(
                f"{self.folder} was made by the encoder {made_by}, not by {self.encoder.name}. "
                "Run isoflop index to make it anew."
            )
        return self.encoder

    def _make_folder(self) -> None:
        if any("\ud800" <= character <= "\udfff" for character in str(self.folder)):
            raise UsageError(
                f"The name of {str(self.folder)!r} is not UTF-8, which the index of words needs. "
                "Put the index elsewhere with --into DIR."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{self.folder} cannot be made: {error.strerror}. "
                "Put the index elsewhere with --into DIR."
            ) from error


def index_folder(root: Path) -> Path:
    """Where the index of a folder or file lies unless told otherwise."""
    if (root / NAME).exists():
        return root
    return root / ".isoflop" if root.is_dir() else root.parent / f".{root.name}.isoflop"


def _check(query: str, k: int, by: str) -> None:
    if not query.strip():
        raise UsageError("The query is empty. Ask with at least one word.")
    if k < 1:
        raise UsageError(f"k={k}: at least one passage must be asked for.")
    if by not in WAYS:
        raise UsageError(f"No way of ranking called {by!r}.{did_you_mean(by, WAYS)}")


def _clause(text: str) -> tuple[str, str]:
    name, colon, pattern = text.partition(":")
    if not colon or not pattern:
        raise UsageError(f"{text!r} is not a filter. Write one as 'source:*.md'.")
    if name not in FIELDS:
        raise UsageError(
            f"No field called {name!r} to filter by.{did_you_mean(name, FIELDS)}"
            f" Known: {', '.join(FIELDS)}."
        )
    return FIELDS[name], pattern if name in ("source", "type") else f"*{pattern}*"
