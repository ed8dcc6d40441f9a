"""Which triggers an event concerns: the index, at a million rows. All pure.

From the outside in: `index` by event key (`wild_keys` for those with wildcards), `shelf` and `leaf` by what filters ask
(`lookup` says which clause leads to a row), `drawers`, `rough_drawers` and `thresholds` by values, `held` for the ids.
"""
