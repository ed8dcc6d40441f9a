"""A test that rows share: the same clauses are compiled once and judged once per event, whoever asks for them."""

from weakref import WeakValueDictionary

import msgspec

from streams.language.filter import Clause, Test, compile_filter


class Tested(msgspec.Struct, frozen=True, gc=False):
    """A clause that led to a row, but does not say all (an `any`): it is yet to be tested, and not to lead to it again."""

    clause: Clause


Remaining = tuple[Clause | Tested, ...]
"""What is still to be asked of a row."""


class SharedTest:
    """Clauses, all of which must be true. Get one from `shared_test`; compare them by identity."""

    __slots__ = ("__weakref__", "clauses", "holds", "places")

    def __init__(self, clauses: Remaining) -> None:
        self.clauses = clauses
        self.places = 0
        """Where it is asked. What is asked in one place alone need not be remembered."""
        self.holds: Test = compile_filter(clause.clause if isinstance(clause, Tested) else clause for clause in clauses)


Known = dict[SharedTest, bool]
"""What is known of one event: the results of tests that are asked in several places."""

_tests: WeakValueDictionary[str, SharedTest] = WeakValueDictionary()


def shared_test(clauses: Remaining) -> SharedTest:
    """The test of these clauses: the same object for as long as any row has it."""
    text = repr(clauses)  # not the clauses themselves: to Python 1, 1.0 and true are equal
    test = _tests.get(text)
    if test is None:
        test = _tests[text] = SharedTest(clauses)
    return test
