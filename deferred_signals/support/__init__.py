"""Small tools, which know nothing of signals and messages.

* settings and options: `amounts` (numbers and seconds), `hints` ("did you mean"), `frozen` (base of
  immutable values), `lazy` (names of a package that are imported at the first use)
* texts: `json` (writes JSON fast), `ids` (makes message ids fast), `escaping` (shows texts from outside)
* code of the project: `asking` (call it at send), `telling` (logs and lifecycle signals that cannot
  break a sender), `frames` (tracebacks without values)
* threads and processes: `forks` (work that a fork must wait for), `cached` (an attribute computed
  without a lock), `blocks` (context managers as decorators)
* the environment: `under_test` (is this a test?), `savepoints` (which blocks are a test's, how others
  end), `zones` (time zones by name)
* `unknown`: `UNKNOWN`, in place of a value that is not known
"""
