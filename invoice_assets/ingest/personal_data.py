"""Personal data on its way into a table: kept, hashed or omitted, while the rows are still in memory.

Which columns are personal is a field of the catalog's columns, what becomes of them one of `ResourceSpec`. What each
setting is good for, and what it does not do: docs/adr/0018. https://docs.python.org/3/library/hmac.html
"""

import hmac

import pyarrow as pa

from invoice_assets.errors import PermanentError
from invoice_assets.resource_spec import Column, PersonalData, ResourceSpec
from invoice_assets.variables import PERSONAL_DATA_KEY

SHORTEST_KEY = 32
"""Characters: 128 bits where each is a hexadecimal digit. Names and phone numbers can be guessed, a key must not be."""


class PersonalDataKeyError(PermanentError):
    """Personal data is to be hashed, and there is no key to do it with, or one that can be guessed."""


class Mask:
    """What stands in the place of a resource's personal values.

    A field that the catalog does not know counts as personal: nobody has said that it is not.

    Raises:
        PersonalDataKeyError: The values are to be hashed, and the key is missing or short.
    """

    def __init__(self, spec: ResourceSpec, *, key: str = "") -> None:
        self._treatment = spec.personal_data
        self._key = key.strip().encode()
        if self._treatment is PersonalData.HASH and len(self._key) < SHORTEST_KEY:
            raise PersonalDataKeyError(
                f"INVOICE_PERSONAL_DATA is hash, and {PERSONAL_DATA_KEY} has {len(self._key)} characters: set it to "
                f"{SHORTEST_KEY} or more that nobody can guess, as `openssl rand -hex 32` prints. Nothing was read."
            )

    def cover(self, column: Column, values: pa.Array) -> pa.Array:
        """The values of a column of the catalog as they may be written."""
        if not column.personal:
            return values
        return self._cover(values, template='"{}"' if column.data_type == "json" else "{}")

    def cover_unknown(self, texts: pa.Array) -> pa.Array:
        """The values of a field that the catalog does not know as they may be written."""
        return self._cover(texts, template="{}")

    def _cover(self, texts: pa.Array, *, template: str) -> pa.Array:
        match self._treatment:
            case PersonalData.KEEP:
                return texts
            case PersonalData.OMIT:
                return pa.nulls(len(texts), pa.string())
            case PersonalData.HASH:
                return self._hash_each(texts, template=template)

    def _hash_each(self, texts: pa.Array, *, template: str) -> pa.Array:
        """A hash for each text; NULL and empty ones stay what they are, for they say nothing."""
        encoded = texts.dictionary_encode()
        hashes = [text and template.format(self._hash(text)) for text in encoded.dictionary.to_pylist()]
        return pa.array(hashes, pa.string()).take(encoded.indices)

    def _hash(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), "sha256").hex()
