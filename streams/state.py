"""What every key's state has in common."""

import msgspec


class State(msgspec.Struct, omit_defaults=True):
    """`offset`: the input offset that last changed this key. At or below it, a record has been judged before (invariant 3)."""

    offset: int
