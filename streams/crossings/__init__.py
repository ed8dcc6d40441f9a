"""When a watched value crosses: the rules beside the detect stage, and what it remembers. All pure but for `edges`' table.

`crossing` holds all watches and looks into events for them, `edge` judges one value, `pending` waits for what must hold,
`sweep` forgets the state of watches that are gone, `recent` knows what was sent again, `event_time` which time counts.
"""
