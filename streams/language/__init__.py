"""What a trigger can ask for: event keys, filters, the condition forms of other dialects, watches. All pure.

`event_key` and `filter` are the one model (`comparison` says what each operator means, `bounds` what a filter may weigh);
`dialect` and `scale` translate into it; `watch`, `terms` and `duration` are what a crossing is asked for with.
"""
