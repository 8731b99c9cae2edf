"""One base model in memory, and any number of adapters over it, by name."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from isoflop.errors import MissingWeights, UsageError
from isoflop.lm.adapters import Adapter, Stack, fitted, folders, joined, nearest
from isoflop.lm.causal import CausalModel
from isoflop.lm.generate import OnRow, Request, generate
from isoflop.lm.local import LocalModel
from isoflop.lm.model import Generated


class Adapters:
    """Adapters over one model: `adapters["name"]` is the model with that adapter.

    The base's weights are held once and never changed; an adapter costs its own factors. Outside
    of the models that come from here the base is as it was. Threads do not disturb each other.
    """

    def __init__(self, model: CausalModel) -> None:
        self.base = model
        self.adapters: dict[str, Adapter] = {}
        self._stacks: dict[str, Stack] | None = None
        self._now = threading.local()
        self._hooks: list[Any] = []

    @property
    def names(self) -> list[str]:
        """Of the adapters, in the order they were added."""
        return list(self.adapters)

    def add(self, name: str, adapter: Adapter | Path) -> None:
        """Add an adapter, or the one in a folder, under a name; an earlier one is replaced.

        Raises:
            UsageError: If it does not fit the base.
            MissingWeights, DamagedCheckpoint: As `Adapter.read`.
        """
        read = adapter if isinstance(adapter, Adapter) else Adapter.read(adapter)
        fitted(self.base.model, read, name)
        self.adapters[name] = read
        self._stacks = None

    def add_folder(self, path: Path) -> list[str]:
        """Add the adapter that a path names, or all of those below it; their names.

        Raises:
            MissingWeights: If there is none.
        """
        found = dict(folders(path))
        if not found:
            raise MissingWeights(
                f"{path}: no adapter here. Name a folder that 'isoflop finetune --lora' or PEFT "
                "wrote, or one that holds such folders."
            )
        for name, folder in found.items():
            self.add(name, folder)
        return list(found)

    def remove(self, name: str) -> None:
        """Forget an adapter."""
        self._number(name)
        del self.adapters[name]
        self._stacks = None

    def __getitem__(self, name: str) -> CausalModel:
        """The base with one adapter; it can do all that the base can.

        Raises:
            UsageError: If there is none of that name.
        """
        return self.rows([name])

    def rows(self, names: Sequence[str | None]) -> CausalModel:
        """The base for batches of so many rows, each with its own adapter or none.

        Raises:
            UsageError: If there is none of a name.
        """
        for name in names:
            self._number(name)
        return cast(CausalModel, Adapted(self, tuple(names)))

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        names: Sequence[str | None],
        request: Request,
        on_text: OnRow | None = None,
    ) -> list[Generated]:
        """What each prompt's adapter writes after it, all in one batch where the base can.

        Arguments and errors as of `isoflop.lm.generate.generate`; `names` has one for each prompt.
        """
        if len(prompts) != len(names):
            raise UsageError(f"{len(prompts)} prompts and {len(names)} adapters: give one each.")
        together = self.base.accepts_positions and request.cached
        if len(set(names)) == 1 or (together and self.base.new_cache(1, 1) is not None):
            model = self.rows(names if len(set(names)) > 1 else names[:1])
            return generate(model, prompts, request, on_text)
        return [  # rows that cannot be padded, or whose leaving nobody tells
            generate(self.rows([name]), [prompt], request, _as_row(on_text, number))[0]
            for number, (prompt, name) in enumerate(zip(prompts, names, strict=True))
        ]

    @contextmanager
    def using(self, names: Sequence[str | None]) -> Iterator[None]:
        """The base's network adapted within this block: by one for all rows, or one for each."""
        if self._stacks is None:
            self._stacks = self._stacked()
        before = getattr(self._now, "chosen", None)
        self._now.chosen = [self._number(name) for name in names]
        try:
            yield
        finally:
            self._now.chosen = before

    def _number(self, name: str | None) -> int:
        if name is None:
            return 0
        if name not in self.adapters:
            raise nearest(name, self.names)
        return self.names.index(name) + 1

    def _stacked(self) -> dict[str, Stack]:
        """The factors of all adapters by module, and a hook on each of these modules."""
        network = self.base.model
        each = [fitted(network, adapter, name) for name, adapter in self.adapters.items()]
        stacks = {}
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        for path in dict.fromkeys(path for one in each for path in one):
            module = network.get_submodule(path)
            pairs = [joined(module, one[path]) if path in one else None for one in each]
            stacks[path] = Stack.of(module, pairs)
            self._hooks.append(module.register_forward_hook(self._hook(path)))
        return stacks

    def _hook(self, path: str) -> Any:
        def adapted(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            """The module's output with what each row's adapter adds."""
            chosen = getattr(self._now, "chosen", None)
            if chosen is None or self._stacks is None:
                return output
            added = self._stacks[path].added(inputs[0], chosen)
            return output if added is None else output + added

        return adapted


class _Cache:
    """The base's cache with the adapter of each of its rows."""

    def __init__(self, inner: Any, names: tuple[str | None, ...]) -> None:
        self.inner, self.names = inner, names


class Adapted(LocalModel):
    """A base with adapters; a `CausalModel`. What is not here is the base's."""

    def __init__(self, adapters: Adapters, names: tuple[str | None, ...]) -> None:
        self.adapters, self.names = adapters, names
        self.name = f"{adapters.base.name}+{','.join(name or '-' for name in names)}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.adapters.base, name)

    @property
    def model(self) -> nn.Module:
        """The network with the factors beside it, so that its weights say which model it is."""
        return _Whole(self.adapters.base.model, self.adapters.adapters, self.names)

    @property
    def parameters(self) -> int:
        """All of the base's and those of the adapters that are used."""
        used = {name for name in self.names if name is not None}
        own = sum(self.adapters.adapters[name].parameters for name in used)
        return self.adapters.base.parameters + own

    def new_cache(self, batch: int, most: int) -> Any:
        """An empty cache that knows the rows' adapters; None where the base has none."""
        inner = self.adapters.base.new_cache(batch, most)
        return None if inner is None else _Cache(inner, self.names)

    def keep_rows(self, cache: _Cache, rows: list[int]) -> _Cache:
        """A cache of these rows, with their adapters."""
        names = cache.names if len(cache.names) == 1 else tuple(cache.names[row] for row in rows)
        return _Cache(self.adapters.base.keep_rows(cache.inner, rows), names)

    def logits(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        bias: Tensor | None = None,
        cache: Any = None,
        last: bool = False,
    ) -> Tensor:
        """Logits after each token; see `CausalModel.logits`.

        Raises:
            UsageError: If there are not as many rows as adapters.
        """
        ours = isinstance(cache, _Cache)
        names = cache.names if ours else self.names
        if len(names) not in (1, len(tokens)):
            raise UsageError(f"{len(tokens)} rows, and adapters for {len(names)}: give one each.")
        with self.adapters.using(names):
            return self.adapters.base.logits(
                tokens, positions=positions, bias=bias, cache=cache.inner if ours else cache,
                last=last,
            )  # fmt: skip


class _Whole(nn.Module):
    """A network and the factors used over it, as one module's weights."""

    def __init__(
        self, network: nn.Module, adapters: Mapping[str, Adapter], names: Sequence[str | None]
    ) -> None:
        super().__init__()
        self.network = network
        for number, name in enumerate(names):
            for module, factors in adapters[name].factors.items() if name is not None else ():
                place = f"{number} {module} {factors.scale}".replace(".", "/")
                self.register_buffer(f"{place} down", factors.down)
                self.register_buffer(f"{place} up", factors.up)


def _as_row(on_text: OnRow | None, number: int) -> OnRow | None:
    return None if on_text is None else (lambda _, text: on_text(number, text))


def with_adapter(model: CausalModel, path: str) -> CausalModel:
    """A model with the one adapter that a path names.

    Raises:
        UsageError: If the path names several.
        MissingWeights: If it names none.
    """
    adapters = Adapters(model)
    names = adapters.add_folder(Path(path))
    if len(names) > 1:
        raise UsageError(f"{path} holds {len(names)} adapters: {', '.join(names)}. Name one.")
    return adapters[names[0]]
