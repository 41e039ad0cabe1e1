"""Locomotor activity in an arena seen from above (Kobayashi et al. 2025): tracks and moving distance.

The way of the data: `arena_table` (who was filmed) and `arena_floor` (centimetres) to `tracking` (against the
`empty_floor`, or from a tracker's file), for all animals in `arenas`, kept by `track_store`; `distance` and
`measuring` make seconds and minutes of them, `group_tests` compares, `shown` gathers what figures show.
Modules are imported by their own names: processes that track videos do without the libraries of the tests.
"""
