"""A benchmark that people can run: every stage against the published chain and against its floor.

Of the clips and networks that are measured on, see `clips` and `ours`; of the published chain, `published`.
"""
