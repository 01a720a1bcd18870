"""Names of packages, interfaces and functions, as values that order, compare and print canonically.

The grammar is that of WIT.md and of the component model's import and export names: ``ns:pkg/ifc@1.2.3``. A fully
qualified function name (Ffqn) adds the function after a dot: ``ns:pkg/ifc@1.2.3.func``. Versions are Semantic Versions
2.0.0 in text form; two versions are *compatible* when one may satisfy an import of the other (same major version, or
same minor version while the major version is 0, neither a pre-release).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EXTENSION_SUFFIXES = ("-obelisk-ext", "-obelisk-schedule", "-obelisk-stub")
"""What the names of generated extension packages add to the name of the package that they extend."""
_WORD = r"(?:[a-z][a-z0-9]*|[A-Z][A-Z0-9]*)"
# Every text matches in one way only, so that a refusal takes linear time: digits first, then letters of one case.
_LABEL = rf"{_WORD}(?:-(?:[0-9]+(?:[a-z][a-z0-9]*|[A-Z][A-Z0-9]*)?|{_WORD}))*"
_VERSION = r"(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_LABEL_RE = re.compile(rf"{_LABEL}\Z")
_PACKAGE_RE = re.compile(rf"({_LABEL}):({_LABEL})(?:@({_VERSION}))?\Z")
_INTERFACE_RE = re.compile(rf"({_LABEL}):({_LABEL})/({_LABEL})(?:@({_VERSION}))?\Z")


def is_label(text: str) -> bool:
    """Whether ``text`` is a kebab-case label of the component model."""
    return _LABEL_RE.match(text) is not None


def sameness(label: str) -> str:
    """What must differ between labels of one scope: neither case nor dashes count (Explainer.md, "strongly unique").

    So every language can spell its names as it likes to, and no two become one.
    """
    return label.lower().replace("-", "")


@dataclass(frozen=True, slots=True, order=True)
class PackageName:
    """``namespace:name[@version]``; ``version`` is the Semantic Version text or ``""`` for none."""

    namespace: str
    name: str
    version: str = ""

    @classmethod
    def parse(cls, text: str) -> PackageName:
        """Read ``ns:pkg[@version]``; ``ValueError`` when it is not one."""
        match = _PACKAGE_RE.match(text)
        if match is None:
            raise ValueError(f"not a package name: {text!r}")
        return cls(match[1], match[2], match[3] or "")

    def __str__(self) -> str:
        return f"{self.namespace}:{self.name}" + (f"@{self.version}" if self.version else "")


@dataclass(frozen=True, slots=True, order=True)
class InterfaceName:
    """``namespace:package/name[@version]``: a named interface or world."""

    package: PackageName
    name: str

    @classmethod
    def parse(cls, text: str) -> InterfaceName:
        """Read ``ns:pkg/ifc[@version]``; ``ValueError`` when it is not one."""
        match = _INTERFACE_RE.match(text)
        if match is None:
            raise ValueError(f"not an interface name: {text!r}")
        return cls(PackageName(match[1], match[2], match[4] or ""), match[3])

    def __str__(self) -> str:
        package = self.package
        version = f"@{package.version}" if package.version else ""
        return f"{package.namespace}:{package.name}/{self.name}{version}"


@dataclass(frozen=True, slots=True, order=True)
class Ffqn:
    """A fully qualified function name: ``ns:pkg/ifc[@version].function``."""

    interface: InterfaceName
    function: str

    @classmethod
    def parse(cls, text: str) -> Ffqn:
        """Read ``ns:pkg/ifc[@version].function``; ``ValueError`` when it is not one."""
        head, dot, function = text.rpartition(".")
        if not dot or not is_label(function):
            raise ValueError(f"not a fully qualified function name: {text!r}")
        return cls(InterfaceName.parse(head), function)

    def __str__(self) -> str:
        return f"{self.interface}.{self.function}"


def compatibility_track(version: str) -> str:
    """What of a version an import fixes: ``1`` for 1.2.3, ``0.2`` for 0.2.3, all of a pre-release, or nothing."""
    if not version or "-" in version:
        return version
    major, minor, patch = version.partition("+")[0].split(".")
    if major != "0":
        return major
    return f"0.{minor}" if minor != "0" else f"0.0.{patch}"
