"""Litestar's routes, read once a test run: what it finds out about a handler depends on the handler's code alone.

Every console test builds the whole application, and half of that time goes into reading the signatures of 250
handlers again. The answers are kept here by code object, and only given again when everything they are made of is
equal. `tests/unit/web/test_quick_apps.py` holds an application built so against one that Litestar built alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

import pytest
from litestar import params
from litestar._kwargs import KwargsModel
from litestar._signature import SignatureModel
from litestar.utils.signature import ParsedSignature

_read_signature = ParsedSignature.from_fn
_make_model = SignatureModel.create
_make_kwargs = KwargsModel.create_for_signature_model
_signatures: dict[CodeType, list[tuple[object, ParsedSignature]]] = {}
_models: dict[tuple[int, str], list[tuple[object, ParsedSignature, type[SignatureModel]]]] = {}
_kwargs: dict[tuple[type[SignatureModel], frozenset[str]], KwargsModel] = {}


def _from_fn(_cls: type[ParsedSignature], fn: Callable[..., Any], signature_namespace: Any) -> ParsedSignature:
    inner: Any = getattr(fn, "__func__", fn)
    code = getattr(inner, "__code__", None)
    if code is None:
        return _read_signature(fn, signature_namespace)
    bound = inner is not fn
    facts = (inner.__defaults__, inner.__kwdefaults__, inner.__annotations__, signature_namespace, bound)
    known = _signatures.setdefault(code, [])
    for made_of, found in known:
        if made_of == facts:
            return found
    known.append((facts, _read_signature(fn, signature_namespace)))
    return known[-1][1]


def _create(cls: type[SignatureModel], **given: Any) -> type[SignatureModel]:
    """The parsed signature is kept with the model: its identity is not given to another meanwhile."""
    parsed, name = given["parsed_signature"], getattr(given["fn"], "__name__", "")
    # Litestar makes new partials of the same decoders for every application.
    decoders = [
        (test, getattr(make, "func", make), getattr(make, "keywords", None))
        for test, make in given["type_decoders"] or ()
    ]
    facts = (cls, given["dependency_name_set"], decoders, given.get("data_dto"), given["fn"].__module__)
    known = _models.setdefault((id(parsed), name), [])
    for made_of, _, model in known:
        if made_of == facts:
            return model
    known.append((facts, parsed, _make_model(**given)))
    return known[-1][2]


def _create_kwargs(_cls: type[KwargsModel], **given: Any) -> KwargsModel:
    """`ctx` only words the warnings of a model that is made, and those of the tests are errors."""
    if given["dependencies"] or given["layered_parameters"]:
        return _make_kwargs(**given)
    key = (given["signature_model"], frozenset(given["path_parameters"]))
    if key not in _kwargs:
        _kwargs[key] = _make_kwargs(**given)
    return _kwargs[key]


@contextmanager
def plain_apps() -> Iterator[None]:
    """While this is open, Litestar reads everything itself, inside `quick_apps` too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ParsedSignature, "from_fn", _read_signature)
        patch.setattr(SignatureModel, "create", _make_model)
        patch.setattr(KwargsModel, "create_for_signature_model", _make_kwargs)
        yield


@contextmanager
def quick_apps() -> Iterator[None]:
    """While this is open, applications are built from what is known of their handlers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ParsedSignature, "from_fn", classmethod(_from_fn))
        patch.setattr(ParsedSignature, "__deepcopy__", lambda self, _memo: self)  # frozen
        patch.setattr(SignatureModel, "create", classmethod(_create))
        patch.setattr(KwargsModel, "create_for_signature_model", classmethod(_create_kwargs))
        for kind in (params.KwargDefinition, params.ParameterKwarg, params.BodyKwarg):
            # Litestar's own hash is the same number for all of a kind too: it adds up the names of the fields.
            patch.setattr(kind, "__hash__", lambda self: hash(type(self)))
        yield
