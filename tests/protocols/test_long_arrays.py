"""JSON with an array that is written item by item."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from antigravity.protocols.long_arrays import encode_with_array

ITEM = st.lists(st.integers()) | st.text() | st.none()


@given(st.dictionaries(st.text(), st.integers()), st.lists(ITEM))
def test_array_is_encoded_after_the_other_members(
    members: dict[str, Any], items: list[Any]
) -> None:
    members.pop("data", None)
    written = json.loads(encode_with_array(members, "data", iter(items)))
    assert written == {**members, "data": items}
