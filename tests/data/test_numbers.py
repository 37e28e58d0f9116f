"""Numbers in text: as Python reads them, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointssl.data.files.surfaces.numbers import flat, ragged, table

FORMS = ("{:.9g}", "{:.6f}", "{!r}", "{:.3e}", "{:+.4f}", "{:.0f}", "{:.0f}.", "{:.17g}", "{:E}", "{:.12g}")
VALUES = st.one_of(
    st.floats(-1e6, 1e6), st.integers(-(10**6), 10**6).map(float), st.sampled_from([0.0, -0.25, 1e-7, 5e5])
)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(VALUES, st.sampled_from(FORMS)), max_size=12),
    st.sampled_from([" ", "\n", "\t ", " \r\n"]),
    st.sampled_from(["", " ", "\n"]),
)
def test_flat__as_python(values: list[tuple[float, str]], blank: str, edge: str) -> None:
    words = [form.format(value) for value, form in values]
    assert flat((edge + blank.join(words) + edge).encode()).tolist() == [float(word) for word in words]


@pytest.mark.parametrize("word", ["1.2.3", "1,5", "1e", "e5", "1e5.5", "abc", "0x10", "1.5f", "--1", "1e1e1", "."])
def test_flat__what_is_no_number(word: str) -> None:
    with pytest.raises(ValueError, match=f"'{word.replace('.', '[.]')}' is not a number"):
        flat(f"1.5 {word} 2e3\n".encode())


def test_ragged__rows_of_any_length() -> None:
    values, counts = ragged([b"1 2.5", b"", b" 3\t", b"nan 4 5"])
    assert counts.tolist() == [2, 0, 1, 3]
    np.testing.assert_array_equal(values, [1, 2.5, 3, np.nan, 4, 5])
    assert table([b"1 2 3", b"4 5"]).tolist() == [[1, 2], [4, 5]]
    with pytest.raises(ValueError, match="'1-2' is not a number"):
        table([b"1-2 3", b"4 5 6"])
