"""The little language that describes endpoints, pure: ``prefix:one:two:name=value``.

Parts are separated by colons. A part with an equals sign is a named one; the first such sign separates. A
backslash takes away the meaning of the character after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import AnyStr

__all__ = ["quoteStringArgument", "take_apart"]


def quoteStringArgument(argument: AnyStr) -> AnyStr:
    """Quote a text, such as a path, to be put into a description.

    :param argument: any text, or bytes.
    :returns: the same with backslashes before what has a meaning there.
    """
    if isinstance(argument, bytes):
        return re.sub(rb"[\\:=]", rb"\\\g<0>", argument)
    return re.sub(r"[\\:=]", r"\\\g<0>", argument)


def take_apart(description: str | bytes) -> tuple[str, list[str], dict[str, str]]:
    """Take a description apart.

    :param description: text; bytes are UTF-8, and what isn't becomes what ``os.fsencode`` turns back.
    :returns: the prefix, the other parts without a name in their order, and those with one; unquoted. Of
        several with the same name, the last counts.
    :raises ValueError: if it ends with a backslash that quotes nothing, or has no prefix. TypeError, if it is
        neither text nor bytes.
    """
    if isinstance(description, bytes):
        description = description.decode("utf-8", "surrogateescape")
    elif not isinstance(description, str):
        raise TypeError(f"The description of an endpoint is text such as 'tcp:80', and not {description!r}.")
    positional: list[str] = []
    named: dict[str, str] = {}
    for name, value in _parts(description):
        if name is None:
            positional.append(value)
        else:
            named[name] = value
    if not positional:
        raise ValueError(
            f"The description {description!r} doesn't begin with the kind of endpoint: 'tcp:80'."
        )
    return positional[0], positional[1:], named


def _parts(description: str) -> Iterator[tuple[str | None, str]]:
    """Each part's name, or None, and its value."""
    name: str | None = None
    text = ""
    characters = iter(description)
    for character in characters:
        if character == "\\":
            quoted = next(characters, None)
            if quoted is None:
                raise ValueError(
                    f"The description {description!r} ends with a backslash that quotes nothing."
                )
            text += quoted
        elif character == ":":
            yield name, text
            name, text = None, ""
        elif character == "=" and name is None:
            name, text = text, ""
        else:
            text += character
    yield name, text
