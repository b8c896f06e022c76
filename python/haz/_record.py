"""Immutable value classes without the 20 ms that importing `dataclasses` costs at start-up."""

from __future__ import annotations

from haz._core import fill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_options: object) -> Any:
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class RecordType(type):
    """Turns the annotations of a class body into slots, `__init__`, equality, hash and repr."""

    _fields: tuple[str, ...]
    _defaults: dict[str, Any]

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> RecordType:
        own = tuple(namespace.get("__annotations__", ()))
        defaults = {field: namespace.pop(field) for field in own if field in namespace}
        namespace["__slots__"] = own
        cls = super().__new__(mcs, name, bases, namespace)
        inherited = [base for base in bases if isinstance(base, RecordType)]
        cls._fields = (*(field for base in inherited for field in base._fields), *own)
        cls._defaults = {field: value for base in inherited for field, value in base._defaults.items()} | defaults  # noqa: SLF001 - of its own kind
        return cls


class Record(metaclass=RecordType):
    """A frozen record: fields are the annotations of the class body, in order, those of its base first."""

    def __init__(self, *values: Any, **named: Any) -> None:
        cls = type(self)
        fields = cls._fields
        if named or len(values) != len(fields):
            values = cls._complete(values, named)
        fill(self, fields, values)

    @classmethod
    def _complete(cls, values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """Add those that were given by name, and the defaults."""
        fields, defaults = cls._fields, cls._defaults
        if len(values) > len(fields):
            raise TypeError(f"{cls.__name__} takes {len(fields)} values, not {len(values)}")
        others = []
        for field in fields[len(values) :]:
            if field in named:
                others.append(named.pop(field))
            elif field in defaults:
                others.append(defaults[field])
            else:
                raise TypeError(f"{cls.__name__} needs a value for {field!r}")
        if named:
            raise TypeError(f"{cls.__name__} has no field {next(iter(named))!r}, or it was given twice")
        return *values, *others

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in type(self)._fields)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, field) for field in type(self)._fields)))

    def __repr__(self) -> str:
        values = ", ".join(f"{field}={getattr(self, field)!r}" for field in type(self)._fields)
        return f"{type(self).__name__}({values})"

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), tuple(getattr(self, field) for field in type(self)._fields)

    def replace(self, **changes: Any) -> Self:
        """Return a copy in which the named fields have other values."""
        cls = type(self)
        values = [changes.pop(field) if field in changes else getattr(self, field) for field in cls._fields]
        return cls(*values, **changes)
