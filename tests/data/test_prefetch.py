from __future__ import annotations

import threading

import pytest

from sctabnet.data.prefetch import prefetch


def threads():
    return [t for t in threading.enumerate() if t.name == "sctabnet-prefetch"]


def test_order_and_end():
    assert list(prefetch(iter(range(20)))) == list(range(20))
    assert list(prefetch(iter([]))) == []
    assert not threads()


def test_one_item_is_made_ahead_and_not_more():
    made = []
    second = threading.Event()

    def items():
        for i in range(10):
            made.append(i)
            if i == 1:
                second.set()
            yield i

    iterator = prefetch(items())
    next(iterator)
    assert second.wait(5)
    assert made == [0, 1]
    iterator.close()
    assert not threads()


def test_error_comes_where_its_item_would_have_come():
    def items():
        yield 1
        raise RuntimeError("broken")

    iterator = prefetch(items())
    assert next(iterator) == 1
    with pytest.raises(RuntimeError, match="broken"):
        next(iterator)
    assert not threads()
