"""Send, encode, defer: from a signal's ``send()`` to the commit of its transaction. No Celery in here.

`dispatch` is the way through. The receiver's options may hold a send back; `encode` makes its
message; `commit.defer` lets the message wait for the commit. Then `destinations` says where the
message goes: to the broker, or in tests and in eager mode to somewhere in this process.

* `send` is what a receiver gets of a ``send()``. `fixtures` and `cleared` are about which sends are
  wanted, and which keys a many-to-many ``clear()`` removes.
* `kwargs` encodes the kwargs: `shaping` says which of them travel, `marks` and `states` how much of
  each value does, and `secrets` finds what must not. `refusals` and `shrinking` are for what cannot
  travel.
* `commit` gathers messages on a transaction, and `coalesce` merges those of one key. Inside a
  ``TestCase``, whose transaction never commits, `testcase` does so by the ends of blocks, which it
  learns from `endings` and `savepoints`.
* `undeferred` is told of the calls that could not be deferred.
"""
