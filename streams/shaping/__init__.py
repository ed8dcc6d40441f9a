"""What an agent is given: a trigger's payload, input and message, made from its event by templates and queries. All pure.

`shape` is the door, `recipe` understands a row's columns. `template`, `statement`, `expression` and `filters` are the
template language, `query` and `query_filter` are JSONPath; every step of either is counted against one `budget`.
"""
